"""Observes Bedrock's answers that are one JSON object."""

import msgspec

from modelmeter.providers.anthropic.answers import message_facts
from modelmeter.providers.bedrock.blocks import output_length
from modelmeter.providers.bedrock.errors import error_type_of_body
from modelmeter.providers.bedrock.invoked import model_behind, read_invoked, text_length
from modelmeter.providers.bedrock.usage import converse_tokens, invoked_tokens
from modelmeter.providers.bodies import ABSENT, BodyCollector, is_absent
from modelmeter.providers.contract import RequestFacts, ResponseFacts
from modelmeter.record import ErrorType, Operation

__all__ = ["PlainObserver", "ServiceTier", "tier_name"]

_HTTP_ERROR = 400


class ServiceTier(msgspec.Struct):
    """``serviceTier`` of Converse."""

    type: object = None


class _Converse(msgspec.Struct, rename="camel"):
    usage: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    service_tier: ServiceTier | None = None


_converse_decoder = msgspec.json.Decoder(_Converse)
_json_decoder = msgspec.json.Decoder(msgspec.Raw)


class PlainObserver:
    """Keeps the body and reads it once, at its end."""

    def __init__(self, request: RequestFacts, http_status: int) -> None:
        self._request = request
        self._http_status = http_status
        self._collector = BodyCollector()
        self._ended = False

    @property
    def finished(self) -> bool:
        """A plain body has no end mark of its own."""
        return False

    def feed(self, chunk: bytes) -> bytes:
        """Keep ``chunk`` and give it back."""
        self._collector.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        self._ended = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the body says."""
        body = self._collector.body()
        if self._http_status >= _HTTP_ERROR:
            kind = error_type_of_body(self._http_status, body or b"")
            return ResponseFacts(ended=self._ended, error_type=kind)
        if body is None:
            return ResponseFacts(ended=self._ended, note="the answer was too large to be read")
        try:
            if self._request.operation is Operation.CONVERSE:
                facts = _converse_facts(body)
            else:
                facts = _invoked_facts(body, self._request.model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            facts = _unknown_facts(body)
        if not self._ended:
            return msgspec.structs.replace(facts, error_type=None)
        return msgspec.structs.replace(facts, ended=facts.error_type is None)


def tier_name(tier: ServiceTier | None) -> str | None:
    """The tier that served a call, if the answer names one."""
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
        service_tier=tier_name(answer.service_tier),
        note=note,
    )


def _invoked_facts(body: bytes, requested: str) -> ResponseFacts:
    answer = read_invoked(body)
    tokens, note = invoked_tokens(answer)
    model = model_behind(requested, answer.model)
    if answer.type == "message":
        facts = message_facts(body, ended=True)
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


def _unknown_facts(body: bytes) -> ResponseFacts:
    try:
        _json_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ResponseFacts(
            error_type=ErrorType.BAD_RESPONSE,
            output_characters=len(body),
            note="the answer is not JSON",
        )
    return ResponseFacts(
        output_characters=len(body), note="the answer has a shape that is not known"
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
