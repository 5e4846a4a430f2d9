"""What a call from Python gives, whichever provider answered."""

from decimal import Decimal

import msgspec

from modelmeter.errors import LLMServiceError
from modelmeter.record import PICO_PER_USD, Call, CostState, ErrorType, TokenCounts

__all__ = ["CalledTool", "Completion", "Embeddings", "Metered", "metered", "read_completion"]

_NS = 1_000_000_000


class CalledTool(msgspec.Struct, frozen=True):
    """A tool that the model wants called."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    signature: str | None = None
    """Gemini's, to be given back with the call."""


class Metered(msgspec.Struct, frozen=True):
    """What the ledger says of the call that answered."""

    model: str
    """As its provider calls it."""
    provider: str
    tokens: TokenCounts
    cost: Decimal
    """USD, exact."""
    cost_state: CostState
    cached: bool
    latency_seconds: float
    time_to_first_token_seconds: float | None
    call_id: str
    request_id: str
    attempts: int
    """How many calls were made before this answer, it included."""


class Completion(msgspec.Struct, frozen=True):
    """One answer."""

    text: str
    tool_calls: tuple[CalledTool, ...]
    finish_reason: str
    """``stop``, ``length``, ``tool_calls`` or ``content_filter``."""
    metered: Metered

    @property
    def model(self) -> str:
        """The model that answered, as its provider calls it."""
        return self.metered.model

    @property
    def provider(self) -> str:
        """Who answered."""
        return self.metered.provider

    @property
    def tokens(self) -> TokenCounts:
        """What the answer used."""
        return self.metered.tokens

    @property
    def cost(self) -> Decimal:
        """USD, exact."""
        return self.metered.cost

    @property
    def cached(self) -> bool:
        """The answer came from the response cache."""
        return self.metered.cached

    @property
    def latency_seconds(self) -> float:
        """From the request to the end of the answer."""
        return self.metered.latency_seconds

    @property
    def time_to_first_token_seconds(self) -> float | None:
        """From the request to the first token of a streamed answer."""
        return self.metered.time_to_first_token_seconds


class Embeddings(msgspec.Struct, frozen=True):
    """The vectors of some texts, in their order."""

    vectors: tuple[tuple[float, ...], ...]
    metered: Metered


def metered(call: Call, attempts: int) -> Metered:
    """What an entry says."""
    first_ns = call.time_to_first_token_ns
    return Metered(
        model=call.intent.model,
        provider=call.intent.provider,
        tokens=call.tokens,
        cost=Decimal(call.cost) / PICO_PER_USD,
        cost_state=call.cost_state,
        cached=call.cached,
        latency_seconds=call.duration_ns / _NS,
        time_to_first_token_seconds=None if first_ns is None else first_ns / _NS,
        call_id=call.intent.id,
        request_id=call.intent.request_id,
        attempts=attempts,
    )


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str = ""
    extra_content: dict[str, dict[str, object]] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice]


_decoder = msgspec.json.Decoder(_Body)


def read_completion(body: bytes, facts: Metered) -> Completion:
    """
    An answer in OpenAI's shape.

    Raises:
        LLMServiceError: it cannot be read.
    """
    try:
        choice = _decoder.decode(body).choices[0]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
        raise LLMServiceError(
            f"{facts.provider}: the answer cannot be read: {error}",
            error_type=ErrorType.BAD_RESPONSE,
            provider=facts.provider,
            call_id=facts.call_id,
        ) from error
    message = choice.message
    calls = tuple(
        CalledTool(call.id, call.function.name, call.function.arguments, signature_of(call))
        for call in message.tool_calls or ()
    )
    text = message.content or message.refusal or ""
    return Completion(text, calls, choice.finish_reason or "stop", facts)


def signature_of(call: _ToolCall) -> str | None:
    """Gemini's signature of a call, where Google's compatible API keeps it."""
    signature = (call.extra_content or {}).get("google", {}).get("thought_signature")
    return signature if isinstance(signature, str) else None
