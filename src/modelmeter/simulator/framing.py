"""How a stream's events become bytes: server-sent events, a JSON array, AWS event stream."""

import base64

import msgspec

from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = [
    "AwsChunkFraming",
    "AwsEventFraming",
    "CrlfDataFraming",
    "DataFraming",
    "JsonArrayFraming",
    "NamedEventFraming",
    "pretty_json",
]

_SSE = b"text/event-stream; charset=utf-8"
_JSON = b"application/json; charset=UTF-8"
_AWS = b"application/vnd.amazon.eventstream"
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def pretty_json(payload: bytes) -> bytes:
    """Indent JSON as Google does; what is not JSON stays as it is."""
    try:
        return msgspec.json.format(payload, indent=2)
    except msgspec.DecodeError:
        return payload


class DataFraming:
    """OpenAI's chat stream: data only, ``[DONE]`` at the end."""

    content_type = _SSE
    opening = b""
    separator = b""
    closing = b"data: [DONE]\n\n"

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one event."""
        return b"data: " + payload + b"\n\n"

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an error as one more event."""
        return b"data: " + payload + b"\n\n"


class NamedEventFraming:
    """Events with their name: Anthropic's, and OpenAI's responses."""

    content_type = _SSE
    opening = b""
    separator = b""
    closing = b""

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one event."""
        return b"event: " + event.encode() + b"\ndata: " + payload + b"\n\n"

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an event named ``error``."""
        return self.frame("error", payload)


class CrlfDataFraming:
    """Gemini's server-sent events, whose lines end with CR LF."""

    content_type = b"text/event-stream"
    opening = b""
    separator = b""
    closing = b""

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one event."""
        return b"data: " + payload + b"\r\n\r\n"

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an error as one more event."""
        return self.frame(name, payload)


class JsonArrayFraming:
    """Gemini's stream without ``alt=sse``: one JSON array, an element an event."""

    content_type = _JSON
    opening = b"["
    separator = b"\n,\r\n"
    closing = b"\n]\n"

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one element."""
        return pretty_json(payload)

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an error as the last element."""
        return self.frame(name, payload) + self.closing


class AwsEventFraming:
    """
    Bedrock's converse-stream: an AWS event stream message an event.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html: each
    payload is padded, so that its length tells nothing of the text.
    """

    content_type = _AWS
    opening = b""
    separator = b""
    closing = b""

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one message of type ``event``."""
        padding = _PADDING[: 4 + len(payload) * 7 % (len(_PADDING) - 4)].encode()
        padded = payload
        if payload.endswith(b"}"):
            padded = payload[:-1] + (b"," if len(payload) > 2 else b"") + b'"p":"' + padding + b'"}'
        return _message(event, padded)

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write a message of type ``exception``."""
        headers = {
            ":exception-type": name[:1].lower() + name[1:],
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        return encode_event_stream_message(headers, payload)


class AwsChunkFraming(AwsEventFraming):
    """Bedrock's invoke-with-response-stream: the model's own JSON, base64, in ``chunk`` events."""

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one chunk."""
        chunk = {"bytes": base64.b64encode(payload).decode()}
        return super().frame("chunk", msgspec.json.encode(chunk))


def _message(event: str, payload: bytes) -> bytes:
    headers = {
        ":event-type": event,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_event_stream_message(headers, payload)
