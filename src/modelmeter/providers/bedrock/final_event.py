"""
How a stream of Bedrock's ends that is cut: as one that has met its limit of output.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; what
invoked models write: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import base64

import msgspec

from modelmeter.providers.anthropic.final_event import LAST, last_delta
from modelmeter.providers.contract import RequestFacts, ResponseFacts
from modelmeter.record import Operation
from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = ["final_event"]

_OF_MAKERS = (
    ("nova", b'{"messageStop":{"stopReason":"max_tokens"}}'),
    ("llama", b'{"generation":"","stop_reason":"length"}'),
    ("titan", b'{"index":0,"outputText":"","completionReason":"LENGTH"}'),
)


def final_event(request: RequestFacts, seen: ResponseFacts) -> bytes:
    """The bytes behind the last whole message; none where a maker's own end is not known."""
    if request.operation is Operation.CONVERSE:
        return _event("messageStop", b'{"stopReason":"max_tokens"}')
    if b'"anthropic_version"' in request.upstream_body:
        return _chunk(last_delta(seen)) + _chunk(LAST)
    for maker, end in _OF_MAKERS:
        if maker in request.model:
            return _chunk(end)
    return b""


def _chunk(body: bytes) -> bytes:
    return _event("chunk", msgspec.json.encode({"bytes": base64.b64encode(body).decode()}))


def _event(event_type: str, payload: bytes) -> bytes:
    headers = {
        ":event-type": event_type,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_event_stream_message(headers, payload)
