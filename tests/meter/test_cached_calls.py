"""A hit of the response cache is an entry that cost nothing, and says what it saved."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ledger_file import check_ledger, query

from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.cache_table import CacheStatus
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.recovery import recover
from modelmeter.meter import CallOpening, Ending, Meter, lost_call
from modelmeter.pricing import PriceBook
from modelmeter.providers import ResponseFacts
from modelmeter.record import CacheMiss, Caller, Operation, SystemClock, TokenCounts

PRICES = PriceBook({"openai": "openai"})
FACTS = ResponseFacts(tokens=TokenCounts(input=1000, output=100), ended=True)
COST_PICO = 1000 * 2_500_000 + 100 * 10_000_000
"""gpt-4o: 2.50 and 10 USD a million tokens, https://platform.openai.com/docs/pricing"""
OPENING = CallOpening(
    caller=Caller(agent_id="a.b", team="a", tenant_id="acme"),
    provider="openai",
    operation=Operation.CHAT,
    model="gpt-4o",
    streamed=True,
    input_bytes=400,
    output_tokens_max=None,
)
MISS = msgspec.structs.replace(OPENING, cache_miss=CacheMiss.EXPIRED)
SERIES = "SELECT kind, labels, whole, pico FROM series WHERE kind LIKE 'cache%' ORDER BY kind"


class Metered:
    """A meter over a ledger file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.clock = SystemClock()
        self.writer = LedgerWriter(
            self.path, clock=self.clock, lost_call=lambda lost: lost_call(lost, PRICES)
        )
        self.ledger = Ledger(self.writer, wait_seconds=5)
        self.meter = Meter(self.ledger, PRICES, self.clock)

    async def hit(self) -> None:
        """A call that is answered from the cache."""
        await self.meter.answered_from_cache(
            OPENING, FACTS, http_status=200, began_ns=self.clock.monotonic_ns()
        )

    async def call(self, opening: CallOpening) -> None:
        """A call that is made."""
        call = await self.meter.open(opening, began_ns=self.clock.monotonic_ns())
        await call.finish(Ending(FACTS, http_status=200))


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Metered]:
    """An empty ledger and its meter."""
    made = Metered(tmp_path)
    yield made
    made.writer.close()
    check_ledger(made.path)


async def test_a_hit_cost_nothing_used_nothing_and_says_what_it_saved(metered: Metered) -> None:
    await metered.hit()

    entries = query(
        metered.path,
        "SELECT status, cached, cost_pico_usd, cost_saved_pico_usd, tokens_input + tokens_output,"
        " cost_state, cache_miss, time_to_first_token_ns = duration_ns FROM entry",
    )
    assert entries == [("success", 1, 0, COST_PICO, 0, "priced", None, 1)]
    assert query(metered.path, "SELECT count(*) FROM open_call") == [(0,)]


async def test_hits_misses_and_savings_are_counted_and_born_together(metered: Metered) -> None:
    await metered.call(MISS)

    assert query(metered.path, SERIES) == [
        ("cache_evictions", '["acme"]', 0, 0),
        ("cache_hits", '["a.b","gpt-4o"]', 0, 0),
        ("cache_misses", '["a.b","gpt-4o"]', 1, 0),
        ("cache_savings", '["a.b","gpt-4o","openai"]', 0, 0),
    ]
    assert query(metered.path, "SELECT cache_miss, cached FROM entry") == [("expired", 0)]

    await metered.hit()

    assert query(metered.path, SERIES) == [
        ("cache_evictions", '["acme"]', 0, 0),
        ("cache_hits", '["a.b","gpt-4o"]', 1, 0),
        ("cache_misses", '["a.b","gpt-4o"]', 1, 0),
        ("cache_savings", '["a.b","gpt-4o","openai"]', 0, COST_PICO),
    ]


async def test_a_call_for_which_no_caching_is_configured_is_neither_hit_nor_miss(
    metered: Metered,
) -> None:
    await metered.call(OPENING)

    assert query(metered.path, SERIES) == []


async def test_what_processes_say_of_their_caches_adds_up_and_ends_with_them(
    metered: Metered, tmp_path: Path
) -> None:
    usage = "SELECT tenant_id, sum(answers), sum(bytes) FROM cache_usage GROUP BY 1"
    other = Metered(tmp_path)
    for node in (metered, other):
        await node.ledger.cache_status(
            CacheStatus(usage={"acme": (2, 100)}, evictions={"acme": 3}, shared=False)
        )
    assert query(metered.path, usage) == [("acme", 4, 200)]

    await metered.ledger.cache_status(CacheStatus(usage={}, evictions={}, shared=False))
    other.writer.close()
    connection = connect_writer(metered.path)
    try:
        recover(
            connection,
            metered.path,
            owner="nobody",
            tally=metered.writer._new_tally(),
            now_ns=0,
            lost_call=lambda lost: lost_call(lost, PRICES),
        )
    finally:
        connection.close()

    assert query(metered.path, usage) == []
    assert query(metered.path, SERIES) == [("cache_evictions", '["acme"]', 6, 0)]


async def test_a_store_of_all_processes_counts_once(metered: Metered, tmp_path: Path) -> None:
    other = Metered(tmp_path)
    for node in (metered, other):
        await node.ledger.cache_status(
            CacheStatus(usage={"acme": (2, 100)}, evictions={}, shared=True)
        )
    other.writer.close()

    assert query(metered.path, "SELECT tenant_id, answers, bytes FROM cache_usage") == [
        ("acme", 2, 100)
    ]
