"""A call between its intent and its outcome: times, exactly one entry, whatever the ledger does."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger import Ledger, LedgerBounds, LedgerWriter
from modelmeter.meter import CallOpening, Ending, Meter, OpenCall, lost_call
from modelmeter.pricing import PriceBook
from modelmeter.providers import ResponseFacts
from modelmeter.record import Caller, ErrorType, Operation, TokenCounts

PRICES = PriceBook({"openai": "openai", "bedrock": "bedrock"})
WHOLE = Ending(ResponseFacts(tokens=TokenCounts(input=1000), ended=True), http_status=200)
REFUSED = Ending(ResponseFacts(error_type=ErrorType.RATE_LIMIT), http_status=429)
LEFT = Ending(ResponseFacts(output_characters=9), http_status=200, failure=ErrorType.CANCELLED)
LATE = Ending(ResponseFacts(), failure=ErrorType.TIMEOUT)
OPENING = CallOpening(
    caller=Caller(agent_id="a.b", team="a", tenant_id="acme"),
    provider="openai",
    operation=Operation.CHAT,
    model="gpt-4o",
    streamed=True,
    input_bytes=400,
    output_tokens_max=None,
)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.wall_ns = 1_790_000_000_000_000_000
        self.now_ns = 1_000

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class Metered:
    """A meter over a ledger file of its own."""

    def __init__(self, folder: Path, bounds: LedgerBounds | None = None) -> None:
        self.path = folder / "ledger.db"
        self.clock = HandClock()
        self.writer = LedgerWriter(
            self.path,
            clock=self.clock,
            lost_call=lambda lost: lost_call(lost, PRICES),
            bounds=bounds or LedgerBounds(),
        )
        self.meter = Meter(Ledger(self.writer, wait_seconds=5), PRICES, self.clock)

    async def open(self, opening: CallOpening = OPENING, *, waited_ns: int = 0) -> OpenCall:
        return await self.meter.open(opening, began_ns=self.clock.now_ns - waited_ns)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def outcomes(self) -> tuple[list[tuple[object, ...]], int]:
        """The status of each entry, and how many calls are open."""
        ((still_open,),) = self.rows("SELECT count(*) FROM open_call")
        assert isinstance(still_open, int)
        return self.rows("SELECT status FROM entry ORDER BY seq"), still_open


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Metered]:
    one = Metered(tmp_path)
    yield one
    one.writer.close()


async def test_an_intent_is_committed_before_the_call_is_made(metered: Metered) -> None:
    call = await metered.open()

    assert metered.rows("SELECT id, agent_id, provider FROM open_call") == [
        (call.intent.id, "a.b", "openai")
    ]
    assert metered.outcomes() == ([], 1)


async def test_times_are_taken_from_the_call_and_its_first_byte(metered: Metered) -> None:
    call = await metered.open(waited_ns=250)
    metered.clock.now_ns += 30
    call.first_token()
    metered.clock.now_ns += 40
    call.first_token()
    # The wall clock may jump; durations do not follow it.
    metered.clock.wall_ns -= 10**15
    await call.finish(WHOLE)

    assert metered.rows("SELECT duration_ns, time_to_first_token_ns FROM entry") == [(70, 30)]
    ((whole, pico),) = metered.rows("SELECT whole, pico FROM series WHERE kind = 'overhead_sum'")
    assert (whole, pico) == (0, 250 * 1000)


async def test_an_answer_without_a_byte_has_no_first_token(metered: Metered) -> None:
    call = await metered.open()
    await call.finish(LATE)

    assert metered.rows("SELECT time_to_first_token_ns, status FROM entry") == [(None, "timeout")]


async def test_attempts_of_one_request_are_entries_of_their_own(metered: Metered) -> None:
    for attempt in range(3):
        again = msgspec.structs.replace(OPENING, request_id="req-1", attempt=attempt)
        call = await metered.open(again)
        await call.finish(REFUSED if attempt < 2 else WHOLE)
    alone = await metered.open()
    await alone.finish(WHOLE)

    assert metered.rows("SELECT request_id, attempt, status FROM entry ORDER BY seq") == [
        ("req-1", 0, "error"),
        ("req-1", 1, "error"),
        ("req-1", 2, "success"),
        (alone.intent.id, 0, "success"),
    ]
    assert metered.rows("SELECT count(DISTINCT id) FROM entry") == [(4,)]


@pytest.mark.parametrize("seed", range(10))
async def test_however_often_and_by_whomever_it_is_finished_there_is_one_entry(
    metered: Metered, seed: int
) -> None:
    draw = random.Random(seed)
    calls = [await metered.open() for _ in range(5)]
    first: dict[str, str] = {}
    waiting = []
    for _ in range(40):
        call = draw.choice(calls)
        status, ending = draw.choice(
            [("success", WHOLE), ("error", REFUSED), ("cancelled", LEFT), ("timeout", LATE)]
        )
        first.setdefault(call.intent.id, status)
        waiting.append(asyncio.ensure_future(call.finish(ending)))
        if draw.random() < 0.3:
            # A turn of the loop, so that it has begun to wait before it is cancelled.
            await asyncio.sleep(0)
            draw.choice(waiting).cancel()
        elif draw.random() < 0.3:
            await asyncio.wait([waiting[-1]])
    await asyncio.gather(*waiting, return_exceptions=True)
    for call in calls:
        first.setdefault(call.intent.id, "error")
        await call.finish(REFUSED)

    entries = metered.rows("SELECT id, status FROM entry")
    assert sorted(entries) == sorted(first.items())
    assert metered.outcomes()[1] == 0
    assert metered.writer.conflicts == 0


async def test_without_its_intent_in_the_ledger_a_call_is_not_made(tmp_path: Path) -> None:
    metered = Metered(tmp_path, LedgerBounds(queue_max=0))

    with pytest.raises(LedgerUnavailableError):
        await metered.open()

    metered.writer.close()
    assert metered.outcomes() == ([], 0)


async def test_a_call_of_a_closed_ledger_stays_open_and_is_entered_at_the_next_start(
    tmp_path: Path,
) -> None:
    metered = Metered(tmp_path)
    call = await metered.open()
    metered.writer.close()
    with pytest.raises(LedgerUnavailableError):
        await call.finish(WHOLE)
    assert metered.outcomes() == ([], 1)

    again = Metered(tmp_path)

    again.writer.close()
    assert again.outcomes() == ([("unknown",)], 0)
    assert again.rows("SELECT cost_state, cost_pico_usd > 0 FROM entry") == [("estimated", 1)]


async def test_an_outcome_that_the_ledger_cannot_take_yet_is_not_lost(metered: Metered) -> None:
    impatient = Meter(Ledger(metered.writer, wait_seconds=0.05), PRICES, metered.clock)
    call = await impatient.open(OPENING, began_ns=metered.clock.now_ns)
    other = sqlite3.connect(metered.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerUnavailableError):
        await call.finish(WHOLE)
    with pytest.raises(LedgerUnavailableError):
        await call.finish(REFUSED)
    other.execute("ROLLBACK")
    other.close()
    # The next call's commit comes behind the one that waits.
    after = await metered.open()
    await after.finish(REFUSED)

    assert metered.outcomes() == ([("success",), ("error",)], 0)


async def test_the_longest_model_id_is_kept_whole_and_shown_as_other(metered: Metered) -> None:
    arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/" + "a" * 1988
    assert len(arn) == 2048
    for model in (arn, "m" * 128, "m" * 129):
        opening = msgspec.structs.replace(OPENING, provider="bedrock", model=model)
        call = await metered.open(opening)
        await call.finish(WHOLE)

    assert metered.rows("SELECT length(model), cost_state FROM entry ORDER BY seq") == [
        (2048, "unpriced"), (128, "unpriced"), (129, "unpriced"),
    ]  # fmt: skip
    shown = metered.rows("SELECT DISTINCT labels ->> 1 FROM series WHERE kind = 'requests'")
    assert sorted(shown) == [("m" * 128,), ("other",)]
