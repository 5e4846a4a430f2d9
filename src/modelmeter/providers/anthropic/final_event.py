"""
How a stream of Anthropic's ends that is cut: as one that has met its limit of output.

https://docs.anthropic.com/en/api/messages-streaming
"""

import msgspec

from modelmeter.providers.contract import ResponseFacts

__all__ = ["LAST", "final_event", "last_delta"]

LAST = b'{"type":"message_stop"}'
"""The JSON of the last event."""

_FINAL = b"event: message_delta\ndata: %b\n\nevent: message_stop\ndata: " + LAST + b"\n\n"


def final_event(seen: ResponseFacts) -> bytes:
    """The bytes behind the last whole event."""
    return _FINAL % last_delta(seen)


def last_delta(seen: ResponseFacts) -> bytes:
    """The JSON of the last event but one."""
    written = 0 if seen.tokens is None else seen.tokens.output + seen.tokens.reasoning
    delta = {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": {"output_tokens": written},
    }
    return msgspec.json.encode(delta)
