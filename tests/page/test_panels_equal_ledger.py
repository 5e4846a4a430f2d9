"""Each panel shows what the ledger's entries add up to, read here by statements of their own."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
import pytest_asyncio
from page_fixtures import Opened
from page_in_browser import PageInBrowser
from playwright.async_api import Browser
from seen_gateway import PICO, SeenGateway

from modelmeter.ledger.series import DURATION_EDGES_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

NS = 10**9
STEP_SECONDS = 900
DAY_SECONDS = 86_400
COUNTED = ("success", "error", "timeout", "unknown")

TOKENS = """tokens_input + tokens_cache_read + tokens_cache_write_5m + tokens_cache_write_1h
    + tokens_output + tokens_reasoning"""

_SUM = "SELECT {column}, sum({value}) FROM entry WHERE started_at_ns >= ? AND started_at_ns < ?"


@pytest.fixture(scope="module")
def yesterday() -> tuple[int, int]:
    """A whole day of UTC that is over, in seconds since 1970."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=1)).timestamp()), int(today.timestamp())


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def overview(
    browser: Browser, gateway: SeenGateway, yesterday: tuple[int, int]
) -> AsyncIterator[PageInBrowser]:
    """The overview of yesterday, one for all that only read it."""
    start, end = yesterday
    page = await PageInBrowser.open(browser, gateway.url, f"/?from={start}&to={end}")
    yield page
    await page.close()
    assert page.complaints == []
    assert page.requests_elsewhere == []


@pytest.fixture
def ledger(gateway: SeenGateway, yesterday: tuple[int, int]) -> "LedgerOfDay":
    """Yesterday's entries."""
    return LedgerOfDay(gateway, yesterday)


class LedgerOfDay:
    """Sums over the entries of a span."""

    def __init__(self, gateway: SeenGateway, span: tuple[int, int]) -> None:
        self._gateway = gateway
        self._span = span[0] * NS, span[1] * NS

    def sums(self, column: str, value: str, condition: str = "1") -> dict[str, int]:
        """The sum of a value for each content of a column."""
        statement = f"{_SUM.format(column=column, value=value)} AND {condition} GROUP BY 1"
        rows = self._gateway.rows(statement, *self._span)
        return {str(name): int(number) for name, number in rows}

    def durations(self) -> dict[int, list[int]]:
        """The durations of calls that an upstream was waited for, by step."""
        found = defaultdict(list)
        for start, duration in self._gateway.rows(
            "SELECT started_at_ns, duration_ns FROM entry WHERE started_at_ns >= ?"
            " AND started_at_ns < ? AND status NOT IN ('unknown', 'blocked')",
            *self._span,
        ):
            found[int(start) // NS // STEP_SECONDS * STEP_SECONDS].append(int(duration))
        return found


def added_up(rows: list[dict[str, str]]) -> dict[str, int]:
    """What rates of full steps add up to, by the name of their line."""
    sums: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        for name, value in row.items():
            if name != "time":
                sums[name] += float(value) * STEP_SECONDS
    return {name: round(total) for name, total in sums.items() if round(total)}


def exact(rows: list[dict[str, str]], name: str) -> dict[str, int]:
    """Costs in pico-dollars by name."""
    return {row[name]: int(Decimal(row["USD"]) * PICO) for row in rows}


async def test_the_costs_of_teams_and_models_are_exact(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    teams = exact(await overview.table_of("cost_per_team"), "team")
    models = exact(await overview.table_of("cost_by_model"), "model")

    assert teams == ledger.sums("team", "cost_pico_usd")
    assert models == {
        name: cost for name, cost in ledger.sums("model", "cost_pico_usd").items() if cost
    }


@pytest.mark.parametrize(
    ("panel", "column", "value", "condition"),
    [
        ("requests_per_agent", "agent_id", "1", "1"),
        (
            "token_usage",
            "model",
            TOKENS,
            "1",
        ),
        (
            "errors_by_provider",
            "provider || ' ' || coalesce(error_type, status)",
            "1",
            "status <> 'success'",
        ),
    ],
)
async def test_rates_over_time_add_up_to_the_entries(
    overview: PageInBrowser,
    ledger: LedgerOfDay,
    panel: str,
    column: str,
    value: str,
    condition: str,
) -> None:
    shown = added_up(await overview.table_of(panel))

    wanted = ledger.sums(column, value, condition)
    folded = sum(number for name, number in wanted.items() if name not in shown)
    assert shown == {
        **{name: wanted[name] for name in shown if name != "other"},
        **({"other": folded} if folded else {}),
    }
    assert sum(shown.values()) == sum(wanted.values()) > 0


async def test_hits_and_misses_of_the_cache_are_the_entries_that_asked_it(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    shown = added_up(await overview.table_of("cache_performance"))

    assert shown.get("hits", 0) == sum(ledger.sums("''", "cached").values())


async def test_active_requests_are_the_time_spent_in_calls(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    shown = added_up(await overview.table_of("active_requests"))

    spent = ledger.sums("provider", "duration_ns", "status NOT IN ('unknown', 'blocked')")
    assert shown == {name: pytest.approx(ns / NS, abs=1.5) for name, ns in spent.items()}


async def test_latency_percentiles_lie_in_the_bucket_of_the_true_ones(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    durations = ledger.durations()

    checked = 0
    for row in await overview.table_of("request_latency"):
        start = int(datetime.fromisoformat(row["time"]).timestamp())
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            if start not in durations:
                assert row[name] == ""
                continue
            low, high = bucket_of(sorted(durations[start]), share)
            assert low <= float(row[name]) <= high
            checked += 1
    assert checked > 100


def bucket_of(durations: list[int], share: float) -> tuple[float, float]:
    """The edges between which the histogram's percentile must lie, in seconds."""
    place = max(0, -(-int(len(durations) * share * 1000) // 1000) - 1)
    lowest, highest = durations[place] / NS, durations[min(place + 1, len(durations) - 1)] / NS
    edges = [0.0, *DURATION_EDGES_SECONDS, float("inf")]
    low = next(low for low, high in pairwise(edges) if lowest <= high)
    high = next(high for high in edges if highest <= high)
    return low, high


def shares(ledger: LedgerOfDay) -> Iterator[tuple[str, float]]:
    """The shares of the stats in percent, by panel."""
    by_status = ledger.sums("status", "1")
    counted = sum(by_status.get(status, 0) for status in COUNTED)
    success = by_status["success"] / counted * 100
    yield "success_rate", success
    yield "error_rate", 100 - success


async def test_shares_are_those_of_the_entries(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    for panel, share in shares(ledger):
        number = overview.panel(panel).locator(".stat-number")
        assert float(await number.get_attribute("data-value") or "nan") == pytest.approx(share)
        assert await overview.panel(panel).get_attribute("data-level") != "none"


async def test_the_count_of_requests_is_the_number_of_entries(
    overview: PageInBrowser, ledger: LedgerOfDay
) -> None:
    (calls,) = ledger.sums("''", "1").values()

    assert f"{calls:,} in this range" in await overview.panel("total_requests").inner_text()


async def test_the_cost_of_24_hours_is_exact(look: Opened, gateway: SeenGateway) -> None:
    overview = await look("/")

    number = overview.panel("total_cost").locator(".stat-number")
    shown = int(Decimal(await number.get_attribute("data-value") or "nan") * PICO)

    now = datetime.now(UTC).timestamp()
    # Between the page's moment and this one an old entry may have left the window.
    cost = "SELECT sum(cost_pico_usd) FROM entry WHERE started_at_ns > ?"
    ((least,),) = gateway.rows(cost, int((now - DAY_SECONDS) * NS))
    ((most,),) = gateway.rows(cost, int((now - DAY_SECONDS - 30) * NS))
    assert int(least) <= shown <= int(most)
