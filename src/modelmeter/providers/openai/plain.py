"""Reads answers in OpenAI's dialect that are one JSON object."""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.openai.errors import error_type_of_failure, is_error
from modelmeter.providers.openai.tools import searches_of_model, tools_used
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.providers.plain import unread_facts
from modelmeter.providers.written import written_length
from modelmeter.record import NO_TOOLS, ErrorType, TokenCounts

__all__ = ["body_facts", "usable_tokens"]

_NO_USAGE = "the provider reported no usage"
_ANSWERS = ("choices", "output")
_UNDER_WAY = ("queued", "in_progress")
"""Responses in the background: https://platform.openai.com/docs/guides/background."""


class _Body(msgspec.Struct):
    id: object = None
    model: object = None
    status: object = None
    """Of a response; its failure comes with a good HTTP status."""
    error: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    """Of a response: the request's, repeated."""
    usage: msgspec.Raw = ABSENT
    service_tier: object = None


_decoder = msgspec.json.Decoder(_Body)


def body_facts(body: bytes) -> ResponseFacts:
    """The facts of a whole answer."""
    try:
        answer = _decoder.decode(body)
    except UNREADABLE:
        return unread_facts(body)
    tokens, note = usable_tokens(answer.usage)
    model = _text(answer.model)
    tools = tools_used(answer.output, answer.tools)
    if tools is NO_TOOLS and tokens is not None:
        tools = searches_of_model(model)
    return ResponseFacts(
        model_answered=model,
        tokens=tokens,
        ended=True,
        goes_on=answer.status in _UNDER_WAY,
        error_type=_failure(answer),
        output_characters=0 if tokens is not None else written_length(body, _ANSWERS),
        provider_request_id=_text(answer.id),
        service_tier=_text(answer.service_tier),
        tools=tools,
        note=note,
    )


def usable_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The counts of a ``usage`` field that may be absent or null."""
    if is_absent(usage):
        return None, _NO_USAGE
    return openai_tokens(usage)


def _failure(answer: _Body) -> ErrorType | None:
    if is_error(answer.error):
        return error_type_of_failure(answer.error)
    return ErrorType.SERVER_ERROR if answer.status == "failed" else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
