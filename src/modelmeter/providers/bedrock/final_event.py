"""
How a stream of Bedrock's ends that is cut: as one that has met its limit of output.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; what
invoked models write: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import base64

import msgspec

from modelmeter.providers.anthropic.final_event import LAST, last_delta
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.providers.contract import RequestFacts, ResponseFacts
from modelmeter.record import Operation
from modelmeter.wire.event_stream import encode_event_stream_message

__all__ = ["final_event"]

_OF_SHAPES = (
    ("contentBlockDelta", b'{"messageStop":{"stopReason":"max_tokens"}}'),
    ("generation", b'{"generation":"","stop_reason":"length"}'),
    ("outputText", b'{"index":0,"outputText":"","completionReason":"LENGTH"}'),
    ("outputs", b'{"outputs":[{"text":"","stop_reason":"length"}]}'),
    ("event_type", b'{"is_finished":true,"event_type":"stream-end","finish_reason":"MAX_TOKENS"}'),
    ("is_finished", b'{"text":"","is_finished":true,"finish_reason":"MAX_TOKENS"}'),
)
"""
A member of a part with text, and the end of such a stream: Nova, Llama, Titan, Mistral's text
completion, Cohere's Command R (https://docs.cohere.com/v1/reference/chat-stream) and Command.
"""


class _Choice(msgspec.Struct):
    index: object = msgspec.UNSET
    text: object = msgspec.UNSET
    message: object = msgspec.UNSET
    delta: object = msgspec.UNSET
    stop_reason: object = msgspec.UNSET
    finish_reason: object = msgspec.UNSET


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: object = msgspec.UNSET
    kind: object = msgspec.field(default=msgspec.UNSET, name="object")
    created: object = msgspec.UNSET
    model: object = msgspec.UNSET


_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_completion_decoder = msgspec.json.Decoder(_Completion)


def final_event(request: RequestFacts, seen: ResponseFacts) -> bytes:
    """The bytes behind the last whole message; none where the stream's own end is not known."""
    if request.operation is Operation.CONVERSE:
        return _event("messageStop", b'{"stopReason":"max_tokens"}')
    if b'"anthropic_version"' in request.upstream_body:
        return _chunk(last_delta(seen)) + _chunk(LAST)
    end = _end_of_shape(seen.first_text)
    return b"" if end is None else _chunk(end)


def _end_of_shape(part: bytes) -> bytes | None:
    """How a stream with a part like ``part`` ends; a model's name may hide behind a profile's."""
    if not part:
        return None
    try:
        members = _members_decoder.decode(part)
        for member, end in _OF_SHAPES:
            if member in members:
                return end
        return _end_of_completion(_completion_decoder.decode(part))
    except UNREADABLE:
        return None


def _end_of_completion(part: _Completion) -> bytes | None:
    """
    The end of a stream of chat or text completions, in the members that ``part`` has.

    OpenAI, Qwen and Jamba write a ``delta`` and a ``finish_reason``
    (https://platform.openai.com/docs/api-reference/chat-streaming); DeepSeek R1 a ``text`` and a
    ``stop_reason`` (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html);
    Mistral's chat completion a ``stop_reason`` too
    (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html).
    """
    if not part.choices:
        return None
    seen = part.choices[0]
    last = _Choice(index=seen.index)
    if seen.text is not msgspec.UNSET:
        last.text = ""
    elif seen.message is not msgspec.UNSET:
        last.message = {"role": "assistant", "content": ""}
    else:
        last.delta = {}
    if seen.stop_reason is not msgspec.UNSET:
        last.stop_reason = "length"
    else:
        last.finish_reason = "length"
    return msgspec.json.encode(msgspec.structs.replace(part, choices=[last]))


def _chunk(body: bytes) -> bytes:
    return _event("chunk", msgspec.json.encode({"bytes": base64.b64encode(body).decode()}))


def _event(event_type: str, payload: bytes) -> bytes:
    headers = {
        ":event-type": event_type,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_event_stream_message(headers, payload)
