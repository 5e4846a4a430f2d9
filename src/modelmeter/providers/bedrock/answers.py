"""Reads Bedrock's answers that are one JSON object."""

import msgspec

from modelmeter.providers.anthropic.answers import message_facts
from modelmeter.providers.bedrock.blocks import output_length
from modelmeter.providers.bedrock.invoked import model_behind, read_invoked, text_length
from modelmeter.providers.bedrock.usage import converse_tokens, header_tokens, invoked_tokens
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.contract import AnswerHead, RequestFacts, ResponseFacts
from modelmeter.providers.plain import unread_facts
from modelmeter.record import Operation

__all__ = ["Performance", "ServiceTier", "answer_facts", "tier_in_headers", "tier_name"]


class ServiceTier(msgspec.Struct):
    """``serviceTier`` of Converse."""

    type: object = None


class Performance(msgspec.Struct):
    """``performanceConfig`` of Converse."""

    latency: object = None


class _Converse(msgspec.Struct, rename="camel"):
    usage: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    service_tier: ServiceTier | None = None
    performance_config: Performance | None = None


_LATENCY_HEADER = b"x-amzn-bedrock-performanceconfig-latency"
_OPTIMIZED = "optimized"
_TIER_HEADER = b"x-amzn-bedrock-service-tier"

_converse_decoder = msgspec.json.Decoder(_Converse)


def answer_facts(request: RequestFacts, head: AnswerHead, body: bytes) -> ResponseFacts:
    """The facts of a whole answer; where its body tells no counts or tier, its headers may."""
    try:
        if request.operation is Operation.CONVERSE:
            facts = _converse_facts(body)
        else:
            facts = _invoked_facts(body, request.model)
    except UNREADABLE:
        facts = unread_facts(body)
    if facts.tokens is None and (counted := header_tokens(head)) is not None:
        # A body in another format is a good answer if it was counted.
        facts = msgspec.structs.replace(facts, tokens=counted, note=None, error_type=None)
    return msgspec.structs.replace(
        facts,
        service_tier=tier_in_headers(head) or facts.service_tier,
        ended=facts.error_type is None,
    )


def tier_in_headers(head: AnswerHead) -> str | None:
    """The tier that served an invoked model; its body may hold its maker's word for another."""
    if head.header(_LATENCY_HEADER) == _OPTIMIZED:
        return _OPTIMIZED
    return head.header(_TIER_HEADER) or None


def tier_name(tier: ServiceTier | None, performance: Performance | None) -> str | None:
    """The tier that served a call, if the answer names one; low latency has a price of its own."""
    if performance is not None and performance.latency == _OPTIMIZED:
        return _OPTIMIZED
    return tier.type if tier is not None and isinstance(tier.type, str) else None


def _converse_facts(body: bytes) -> ResponseFacts:
    answer = _converse_decoder.decode(body)
    tokens, note = converse_tokens(answer.usage)
    characters = 0
    if tokens is None and not is_absent(answer.output):
        characters = output_length(answer.output)
    return ResponseFacts(
        tokens=tokens,
        output_characters=characters,
        service_tier=tier_name(answer.service_tier, answer.performance_config),
        note=note,
    )


def _invoked_facts(body: bytes, requested: str) -> ResponseFacts:
    answer = read_invoked(body)
    tokens, note = invoked_tokens(answer)
    model = model_behind(requested, answer.model)
    if answer.type == "message":
        facts = message_facts(body)
        return msgspec.structs.replace(
            facts, model_answered=model, tokens=tokens, error_type=None, note=note
        )
    return ResponseFacts(
        model_answered=model,
        tokens=tokens,
        output_characters=0 if tokens is not None else text_length(answer),
        provider_request_id=_text(answer.id),
        note=note,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
