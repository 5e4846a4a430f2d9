"""Reads answers in OpenAI's dialect that are one JSON object."""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.providers.plain import not_json
from modelmeter.record import TokenCounts

__all__ = ["Item", "body_facts", "usable_tokens", "web_searches"]

_WEB_SEARCH = "web_search_call"
_NO_USAGE = "the provider reported no usage"


class _Message(msgspec.Struct):
    content: object = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: object = None
    finish_reason: object = None


class Item(msgspec.Struct):
    """An item of a response's output."""

    type: object = None


class _Body(msgspec.Struct):
    id: object = None
    model: object = None
    choices: list[_Choice] | None = None
    output: list[Item] | None = None
    usage: msgspec.Raw = ABSENT
    service_tier: object = None


_decoder = msgspec.json.Decoder(_Body)


def body_facts(body: bytes) -> ResponseFacts:
    """The facts of a whole answer."""
    try:
        answer = _decoder.decode(body)
    except UNREADABLE:
        return not_json(body)
    tokens, note = usable_tokens(answer.usage)
    return ResponseFacts(
        model_answered=_text(answer.model),
        tokens=tokens,
        ended=True,
        output_characters=0 if tokens is not None else _characters(answer.choices or []),
        provider_request_id=_text(answer.id),
        service_tier=_text(answer.service_tier),
        web_searches=web_searches(answer.output or []),
        note=note,
    )


def web_searches(items: list[Item]) -> int:
    """The searches among a response's items: a fee each that no usage tells."""
    return sum(item.type == _WEB_SEARCH for item in items)


def usable_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The counts of a ``usage`` field that may be absent or null."""
    if is_absent(usage):
        return None, _NO_USAGE
    return openai_tokens(usage)


def _characters(choices: list[_Choice]) -> int:
    texts = [choice.text for choice in choices]
    texts += [choice.message.content for choice in choices if choice.message is not None]
    return sum(len(text) for text in texts if isinstance(text, str))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
