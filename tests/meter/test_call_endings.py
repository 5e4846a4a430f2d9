"""Every way a call can end: its status, what is charged, and that it ends exactly once."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.meter import CallOpening, Ending, Meter, OpenCall, lost_call
from modelmeter.meter.ending import Timing, call_of
from modelmeter.pricing import PriceBook
from modelmeter.pricing.estimate import OUTPUT_TOKENS_MAX
from modelmeter.providers import ResponseFacts
from modelmeter.record import (
    RESERVATION,
    CallBound,
    Caller,
    CostState,
    ErrorType,
    Intent,
    Operation,
    PicoUsd,
    Status,
    SystemClock,
    TokenCounts,
)

USED = TokenCounts(input=1000, output=500)
# gpt-4o: 2.50 and 10.00 USD for a million tokens, https://openai.com/api/pricing, 2026.
USED_PICO_USD = 1000 * 2_500_000 + 500 * 10_000_000
AT_NS = 1_790_000_000_000_000_000
PRICES = PriceBook({"openai": "openai"})
TIMING = Timing(duration_ns=5)


def intent(model: str = "gpt-4o", output_tokens_max: int | None = 100) -> Intent:
    """A call of 400 bytes."""
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
        input_bytes=400,
        output_tokens_max=output_tokens_max,
    )


WHOLE = ResponseFacts(tokens=USED, ended=True)

ENDINGS = {
    "complete": (
        Ending(WHOLE, http_status=200),
        Status.SUCCESS, None, USED, CostState.PRICED,
    ),
    "refused by the provider": (
        Ending(ResponseFacts(error_type=ErrorType.RATE_LIMIT), http_status=429),
        Status.ERROR, ErrorType.RATE_LIMIT, TokenCounts(), CostState.PRICED,
    ),
    "an error without a kind": (
        Ending(ResponseFacts(ended=True), http_status=500),
        Status.ERROR, ErrorType.SERVER_ERROR, TokenCounts(), CostState.PRICED,
    ),
    "sent elsewhere": (
        Ending(ResponseFacts(), http_status=307, failure=ErrorType.BAD_RESPONSE),
        Status.ERROR, ErrorType.BAD_RESPONSE, TokenCounts(), CostState.PRICED,
    ),
    "sent elsewhere by one who claims a use": (
        Ending(WHOLE, http_status=302),
        Status.ERROR, ErrorType.BAD_RESPONSE, TokenCounts(), CostState.PRICED,
    ),
    "never reached": (
        Ending(ResponseFacts(), failure=ErrorType.CONNECTION, sent=False),
        Status.ERROR, ErrorType.CONNECTION, TokenCounts(), CostState.PRICED,
    ),
    "sent but never answered": (
        Ending(ResponseFacts(), failure=ErrorType.TIMEOUT),
        Status.TIMEOUT, ErrorType.TIMEOUT, TokenCounts(input=100), CostState.ESTIMATED,
    ),
    "without usage": (
        Ending(ResponseFacts(ended=True, output_characters=80), http_status=200),
        Status.SUCCESS, None, TokenCounts(input=100, output=20), CostState.ESTIMATED,
    ),
    "left by its caller, usage came": (
        Ending(WHOLE, http_status=200, failure=ErrorType.CANCELLED),
        Status.CANCELLED, ErrorType.CANCELLED, USED, CostState.PRICED,
    ),
    "left by its caller before any usage": (
        Ending(ResponseFacts(output_characters=40), http_status=200, failure=ErrorType.CANCELLED),
        Status.CANCELLED, ErrorType.CANCELLED, TokenCounts(input=100, output=10),
        CostState.ESTIMATED,
    ),
    "broken off after its first counts": (
        Ending(
            ResponseFacts(tokens=TokenCounts(input=700, output=1), output_characters=400),
            http_status=200, failure=ErrorType.CONNECTION,
        ),
        Status.ERROR, ErrorType.CONNECTION, TokenCounts(input=700, output=100),
        CostState.ESTIMATED,
    ),
    "broken off by the provider after its first counts": (
        Ending(
            ResponseFacts(
                tokens=TokenCounts(input=700, output=1), output_characters=4,
                error_type=ErrorType.BAD_RESPONSE,
            ),
            http_status=200,
        ),
        Status.ERROR, ErrorType.BAD_RESPONSE, TokenCounts(input=700, output=1),
        CostState.ESTIMATED,
    ),
    "broken off by the provider behind its last counts": (
        Ending(
            ResponseFacts(
                tokens=USED, output_characters=4, is_written=True,
                error_type=ErrorType.BAD_RESPONSE,
            ),
            http_status=200,
        ),
        Status.ERROR, ErrorType.BAD_RESPONSE, USED, CostState.PRICED,
    ),
    "larger than any model writes": (
        Ending(ResponseFacts(ended=True, output_characters=40_000_000), http_status=200),
        Status.SUCCESS, None, TokenCounts(input=100, output=OUTPUT_TOKENS_MAX),
        CostState.ESTIMATED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_an_ending_tells_status_and_charge(name: str) -> None:
    ending, status, error_type, tokens, state = ENDINGS[name]

    call = call_of(intent(), ending, TIMING, PRICES)

    assert (call.status, call.error_type, call.tokens) == (status, error_type, tokens)
    assert call.cost_state is state
    assert (call.cost > 0) == (tokens.total > 0)
    assert (call.note is not None) == (state is CostState.ESTIMATED)


def test_vectors_without_usage_are_charged_their_input() -> None:
    """However long the answer, nothing of it is output, and there is no price of one."""
    asked = msgspec.structs.replace(
        intent("text-embedding-3-small"), operation=Operation.EMBEDDINGS
    )
    large = ResponseFacts(ended=True, output_characters=40_000_000)

    call = call_of(asked, Ending(large, http_status=200), TIMING, PRICES)

    assert (call.tokens, call.cost_state) == (TokenCounts(input=100), CostState.ESTIMATED)


def test_the_charge_is_exact() -> None:
    call = call_of(intent(), Ending(WHOLE, http_status=200), TIMING, PRICES)

    assert call.cost == USED_PICO_USD


def test_a_model_without_a_price_is_unpriced_not_free() -> None:
    call = call_of(intent("nobody-knows-me"), Ending(WHOLE, http_status=200), TIMING, PRICES)

    assert (call.cost_state, call.cost) == (CostState.UNPRICED, 0)


@pytest.mark.parametrize(("limit", "output"), [(100, 100), (None, 1024), (10**12, 1_000_000)])
def test_a_lost_call_is_charged_its_bound(limit: int | None, output: int) -> None:
    call = lost_call(intent(output_tokens_max=limit), PRICES)

    assert (call.status, call.cost_state) == (Status.UNKNOWN, CostState.ESTIMATED)
    assert call.tokens == TokenCounts(input=100, output=output)
    assert call.cost > 0


def test_a_lost_call_is_charged_all_its_answers() -> None:
    """Each may be as long as the limit."""
    lost = msgspec.structs.replace(intent(output_tokens_max=100), answers=3)

    assert lost_call(lost, PRICES).tokens == TokenCounts(input=100, output=300)


def test_a_lost_call_is_charged_what_was_held_for_it() -> None:
    """To the last pico-dollar, however much less the guess, or its tokens' own price, would be."""
    bound = CallBound(cost=PicoUsd(10**12), tokens=2_400, output_tokens=2_000)
    lost = msgspec.structs.replace(intent(output_tokens_max=1_000), bound=bound)

    call = lost_call(lost, PRICES)

    assert call.tokens == TokenCounts(input=400, output=2_000)
    assert (call.cost, call.price_source) == (10**12, RESERVATION)
    assert call.cost_state is CostState.ESTIMATED


def test_a_lost_call_whose_hold_has_no_price_is_charged_the_tokens_that_were_held() -> None:
    bound = CallBound(cost=None, tokens=2_400, output_tokens=2_000)

    call = lost_call(msgspec.structs.replace(intent(), bound=bound), PRICES)

    assert call.tokens == TokenCounts(input=400, output=2_000)
    assert call.cost == 400 * 2_500_000 + 2_000 * 10_000_000


def test_a_lost_embedding_is_charged_its_input() -> None:
    """There is no price of an output that it does not have."""
    lost = intent("text-embedding-3-small", output_tokens_max=None)

    call = lost_call(msgspec.structs.replace(lost, operation=Operation.EMBEDDINGS), PRICES)

    assert (call.tokens, call.cost_state) == (TokenCounts(input=100), CostState.ESTIMATED)
    # 0.02 USD for a million tokens, https://openai.com/api/pricing, 2026.
    assert call.cost == 100 * 20_000


def test_a_lost_call_without_a_price_keeps_its_bound_for_a_later_one() -> None:
    """It is unpriced, not free."""
    call = lost_call(intent("nobody-knows-me"), PRICES)

    assert (call.tokens, call.cost_state) == (
        TokenCounts(input=100, output=100),
        CostState.UNPRICED,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    one = LedgerWriter(
        tmp_path / "ledger.db", clock=SystemClock(), lost_call=lambda lost: lost_call(lost, PRICES)
    )
    yield one
    one.close()


async def open_call(writer: LedgerWriter) -> OpenCall:
    """A call whose intent is in the ledger."""
    meter = Meter(Ledger(writer, wait_seconds=5), PRICES, SystemClock())
    return await meter.open(
        CallOpening(
            caller=Caller(agent_id="a.b", team="a", tenant_id=""),
            provider="openai",
            operation=Operation.CHAT,
            model="gpt-4o",
            streamed=False,
            input_bytes=400,
            output_tokens_max=None,
        ),
        began_ns=SystemClock().monotonic_ns(),
    )


def entries(path: Path) -> list[tuple[str, int]]:
    """Status and cost of each entry."""
    connection = sqlite3.connect(path / "ledger.db")
    try:
        return connection.execute("SELECT status, cost_pico_usd FROM entry").fetchall()
    finally:
        connection.close()


async def test_the_first_ending_stands(writer: LedgerWriter, tmp_path: Path) -> None:
    call = await open_call(writer)
    good = Ending(WHOLE, http_status=200)
    bad = Ending(ResponseFacts(), http_status=500)

    await asyncio.gather(call.finish(good), call.finish(bad), call.finish(bad))
    await call.finish(bad)

    assert entries(tmp_path) == [("success", USED_PICO_USD)]


async def test_who_stops_waiting_does_not_stop_the_commit(
    writer: LedgerWriter, tmp_path: Path
) -> None:
    call = await open_call(writer)
    waiting = asyncio.create_task(call.finish(Ending(WHOLE, http_status=200)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await call.finish(Ending(ResponseFacts(), failure=ErrorType.CANCELLED))

    assert entries(tmp_path) == [("success", USED_PICO_USD)]
