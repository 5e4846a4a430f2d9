"""How a stream's events become bytes: server-sent events, a JSON array, AWS event stream."""

import base64
import re

import msgspec

from modelmeter.simulator.exchange import Framing
from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = [
    "AwsChunkFraming",
    "AwsEventFraming",
    "CrlfDataFraming",
    "DataFraming",
    "JsonArrayFraming",
    "NamedEventFraming",
    "pretty",
]

_SSE = b"text/event-stream; charset=utf-8"
_AWS = b"application/vnd.amazon.eventstream"
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def pretty(payload: bytes) -> bytes:
    """Indent JSON as Google does."""
    return msgspec.json.format(payload, indent=2)


class DataFraming:
    """OpenAI's chat stream: data only, ``[DONE]`` at the end."""

    content_type = _SSE
    opening = b""
    separator = b""
    closing = b"data: [DONE]\n\n"

    def frame(self, event: str, payload: bytes) -> bytes:  # noqa: ARG002 (the seam's shape)
        """Write one event."""
        return b"data: " + payload + b"\n\n"

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an error as one more event."""
        return self.frame(name, payload)
