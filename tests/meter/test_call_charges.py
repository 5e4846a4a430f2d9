"""What every ending is charged: nothing reported is lost, nothing sent is free, nothing raises."""

from hypothesis import given
from hypothesis import strategies as st

from modelmeter.meter import Ending, refused_call
from modelmeter.meter.ending import Timing, call_of
from modelmeter.pricing import PriceBook
from modelmeter.providers import ResponseFacts
from modelmeter.record import (
    Call,
    Caller,
    CostState,
    ErrorType,
    Intent,
    Operation,
    Status,
    TokenCounts,
)

AT_NS = 1_790_000_000_000_000_000
PRICES = PriceBook({"openai": "openai"})

COUNTS = st.integers(0, 10**6)
TOKENS = st.builds(TokenCounts, input=COUNTS, cache_read=COUNTS, output=COUNTS, reasoning=COUNTS)
KINDS = st.one_of(st.none(), st.sampled_from(ErrorType))
FACTS = st.builds(
    ResponseFacts,
    tokens=st.one_of(st.none(), TOKENS),
    ended=st.booleans(),
    error_type=KINDS,
    output_characters=st.integers(0, 10**6),
    model_answered=st.one_of(st.none(), st.sampled_from(["gpt-4o-2024-08-06", "", "x" * 3000])),
    service_tier=st.one_of(st.none(), st.sampled_from(["default", "flex", "unheard-of"])),
    note=st.one_of(st.none(), st.just("why")),
)
ENDINGS = st.builds(
    Ending,
    facts=FACTS,
    http_status=st.one_of(st.none(), st.sampled_from([200, 201, 302, 400, 429, 500, 529])),
    failure=KINDS,
    sent=st.booleans(),
)
INPUT_BYTES = st.integers(1, 10**7)


def intent(input_bytes: int = 400, model: str = "gpt-4o") -> Intent:
    return Intent(
        id="id",
        request_id="id",
        attempt=0,
        started_at_ns=AT_NS,
        caller=Caller(agent_id="a.b", team="a", tenant_id=""),
        provider="openai",
        operation=Operation.CHAT,
        model=model,
        streamed=True,
        input_bytes=input_bytes,
        output_tokens_max=100,
    )


def ended(ending: Ending, input_bytes: int = 400) -> Call:
    return call_of(intent(input_bytes), ending, Timing(duration_ns=5), PRICES)


def is_refusal(ending: Ending) -> bool:
    """The provider answered with an error, which costs what it says it costs: mostly nothing."""
    return ending.http_status is not None and ending.http_status >= 400


def is_unused(ending: Ending) -> bool:
    """No model has seen the request: it did not go out, or was sent elsewhere."""
    return not ending.sent or ending.http_status == 302


@given(ENDINGS, INPUT_BYTES)
def test_what_was_sent_and_not_refused_is_never_free(ending: Ending, input_bytes: int) -> None:
    call = ended(ending, input_bytes)

    reported = ending.facts.tokens
    if is_unused(ending):
        assert (call.tokens, call.cost) == (TokenCounts(), 0)
    elif is_refusal(ending):
        assert call.tokens == (reported or TokenCounts())
    elif reported is None:
        assert call.tokens.input > 0
        assert call.cost > 0
        assert call.cost_state is CostState.ESTIMATED


@given(ENDINGS)
def test_an_estimate_is_never_below_what_was_reported(ending: Ending) -> None:
    call = ended(ending)

    reported = ending.facts.tokens
    if reported is None or is_unused(ending):
        reported = TokenCounts()
    for kind in TokenCounts.__struct_fields__:
        assert getattr(call.tokens, kind) >= getattr(reported, kind)
    # No more is estimated than what was seen, and nothing where the answer came to its end.
    written = -(-ending.facts.output_characters // 4)
    assert call.tokens.output <= max(reported.output, written)
    if ending.facts.ended and ending.facts.tokens is not None:
        assert call.tokens == reported


@given(ENDINGS)
def test_the_cost_is_that_of_the_tokens(ending: Ending) -> None:
    call = ended(ending)

    price = PRICES.price(
        "openai", "gpt-4o", call.tokens, AT_NS,
        model_answered=ending.facts.model_answered, service_tier=ending.facts.service_tier,
    )  # fmt: skip
    assert call.cost == price.cost
    assert call.cost >= 0
    assert call.cost_state is not CostState.ESTIMATED or call.note


@given(ENDINGS)
def test_a_call_succeeded_or_says_why_not(ending: Ending) -> None:
    call = ended(ending)

    assert (call.status is Status.SUCCESS) == (call.error_type is None)
    assert call.status in (Status.SUCCESS, Status.ERROR, Status.TIMEOUT, Status.CANCELLED)
    if ending.failure is not None:
        assert call.error_type is ending.failure
    elif ending.http_status == 302:
        assert call.error_type is ErrorType.BAD_RESPONSE
    elif ending.facts.error_type is not None:
        assert call.error_type is ending.facts.error_type
    elif is_refusal(ending) or ending.http_status is None:
        assert call.error_type is ErrorType.SERVER_ERROR
    assert (call.status is Status.TIMEOUT) == (call.error_type is ErrorType.TIMEOUT)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_who_leaves_later_is_charged_no_less(one: int, other: int) -> None:
    def left_after(characters: int) -> Call:
        facts = ResponseFacts(output_characters=characters)
        return ended(Ending(facts, http_status=200, failure=ErrorType.CANCELLED))

    earlier, later = left_after(min(one, other)), left_after(max(one, other))

    assert earlier.status is later.status is Status.CANCELLED
    assert 0 < earlier.cost <= later.cost


def test_a_provider_that_reports_zeros_is_believed() -> None:
    call = ended(Ending(ResponseFacts(tokens=TokenCounts(), ended=True), http_status=200))

    assert (call.cost, call.cost_state, call.status) == (0, CostState.PRICED, Status.SUCCESS)


def test_the_ids_of_headers_stand_over_those_of_bodies() -> None:
    facts = ResponseFacts(tokens=TokenCounts(input=1), ended=True, provider_request_id="body")

    assert ended(Ending(facts, http_status=200)).provider_request_id == "body"
    named = Ending(facts, http_status=200, provider_request_id="header")
    assert ended(named).provider_request_id == "header"


def test_a_refused_call_cost_nothing_and_says_why() -> None:
    call = refused_call(intent(), ErrorType.BUDGET_EXCEEDED, "the budget is spent")

    assert (call.status, call.error_type) == (Status.BLOCKED, ErrorType.BUDGET_EXCEEDED)
    assert (call.tokens, call.cost, call.cost_state) == (TokenCounts(), 0, CostState.PRICED)
    assert (call.http_status, call.note) == (None, "the budget is spent")
