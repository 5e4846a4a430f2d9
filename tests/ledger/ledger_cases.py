"""Calls to write, and the clock they are written by."""

from modelmeter.record import (
    Call,
    Caller,
    CostState,
    ErrorType,
    Intent,
    Operation,
    PicoUsd,
    Status,
    TokenCounts,
    new_call_id,
)

NOW_NS = 1_790_000_000_000_000_000


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def time_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


def make_intent(agent_id: str = "meetmind.coordinator", model: str = "gpt-4o") -> Intent:
    """The intent of a plausible call."""
    return Intent(
        id=new_call_id(NOW_NS),
        request_id="request-1",
        attempt=0,
        started_at_ns=NOW_NS,
        caller=Caller(agent_id=agent_id, team=agent_id.partition(".")[0], tenant_id="acme"),
        provider="openai",
        operation=Operation.CHAT,
        model=model,
        streamed=False,
        input_bytes=400,
        output_tokens_max=100,
    )


def make_call(
    intent: Intent,
    *,
    status: Status = Status.SUCCESS,
    error_type: ErrorType | None = None,
    cost: int = 1_234_567,
    tokens: TokenCounts = TokenCounts(input=10, output=5),  # noqa: B008 - frozen
    duration_ns: int = 700_000_000,
) -> Call:
    """An outcome of a call."""
    return Call(
        intent=intent,
        status=status,
        error_type=error_type,
        http_status=200,
        provider_request_id=None,
        duration_ns=duration_ns,
        time_to_first_token_ns=None,
        model_answered=None,
        tokens=tokens,
        cost=PicoUsd(cost),
        cost_state=CostState.PRICED,
        priced_model="gpt-4o",
        price_source="test",
    )


def lost_as_unknown(intent: Intent) -> Call:
    """What recovery enters in these tests."""
    return make_call(intent, status=Status.UNKNOWN, cost=999)
