"""Observes an answer in OpenAI's dialect that is one JSON object."""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE, BodyCollector, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.openai.errors import error_type_of_body
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.record import ErrorType, TokenCounts

__all__ = ["PlainObserver", "usable_tokens"]

_HTTP_ERROR = 400
_NO_USAGE = "the provider reported no usage"


class _Message(msgspec.Struct):
    content: object = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: object = None
    finish_reason: object = None


class _Body(msgspec.Struct):
    id: object = None
    model: object = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = ABSENT
    service_tier: object = None


_decoder = msgspec.json.Decoder(_Body)


class PlainObserver:
    """Keeps the body and reads it once, at its end."""

    def __init__(self, http_status: int) -> None:
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
            return ResponseFacts(
                ended=self._ended, error_type=error_type_of_body(self._http_status, body or b"")
            )
        if body is None:
            return ResponseFacts(ended=self._ended, note="the answer was too large to be read")
        try:
            answer = _decoder.decode(body)
        except UNREADABLE:
            bad = ErrorType.BAD_RESPONSE if self._ended else None
            return ResponseFacts(
                error_type=bad, output_characters=len(body), note="the answer is not JSON"
            )
        tokens, note = usable_tokens(answer.usage)
        return ResponseFacts(
            model_answered=_text(answer.model),
            tokens=tokens,
            ended=self._ended,
            output_characters=0 if tokens is not None else _characters(answer.choices or []),
            provider_request_id=_text(answer.id),
            service_tier=_text(answer.service_tier),
            note=note,
        )


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
