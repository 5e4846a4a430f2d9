"""Which agents are shown by name while they call: all there is room for, in every process."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from budget_cases import USD, budget, define, ledger_with_budgets, opening
from ledger_cases import NOW_NS, FixedClock, lost_as_unknown, make_call, make_intent
from prometheus_client import parser

from modelmeter.errors import BudgetExceededError, LedgerUnavailableError
from modelmeter.ledger import Ledger, LedgerBounds, LedgerWriter
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.series_reader import read_series
from modelmeter.meter import refused_call
from modelmeter.metrics import Exposition
from modelmeter.record import ErrorType

CAP = 2


@contextlib.contextmanager
def capped_ledger(path: Path) -> Iterator[Ledger]:
    """A process on a ledger whose labels have few values."""
    writer = LedgerWriter(
        path,
        clock=FixedClock(),
        lost_call=lost_as_unknown,
        bounds=LedgerBounds(label_values_max=CAP),
    )
    try:
        yield Ledger(writer, wait_seconds=30)
    finally:
        writer.close()


def shown(path: Path, metric: str) -> dict[str, float]:
    """The values of a metric's agents, as any process on the ledger shows them."""
    with contextlib.closing(connect_reader(path)) as connection:
        snapshot = msgspec.structs.replace(read_series(connection), shown_until_ns=NOW_NS)
    body, _ = Exposition(version="1").render(snapshot, "")
    return {
        sample.labels["agent_id"]: sample.value
        for family in parser.text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == metric
    }


async def test_the_first_call_of_an_agent_is_under_way_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with capped_ledger(path) as ledger:
        intent = make_intent("meetmind.new")
        await ledger.open(intent)
        assert shown(path, "llm_active_requests") == {"meetmind.new": 1}

        await ledger.settle(make_call(intent))

    assert shown(path, "llm_active_requests") == {"meetmind.new": 0}
    assert shown(path, "llm_cost_total").keys() == {"meetmind.new"}


async def test_beyond_the_cap_agents_are_under_way_together_in_every_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    with capped_ledger(path) as one, capped_ledger(path) as two:
        for ledger, agent in ((one, "a"), (two, "b"), (one, "c"), (two, "d"), (two, "a")):
            await ledger.open(make_intent(agent))

        assert shown(path, "llm_active_requests") == {"a": 2, "b": 1, "other": 2}


async def test_who_is_refused_is_named_too(tmp_path: Path) -> None:
    """An operator wants to know who runs into a budget or a throttle."""
    path = tmp_path / "ledger.db"
    define(path, budget(limit="1"))
    with ledger_with_budgets(path) as ledger:
        await ledger.open(opening(USD, agent_id="meetmind.first"))
        with pytest.raises(BudgetExceededError):
            await ledger.open(opening(USD, agent_id="meetmind.refused"))
        await ledger.record(
            refused_call(make_intent("meetmind.hasty"), ErrorType.THROTTLED, "too fast")
        )

    assert shown(path, "llm_active_requests") == {
        "meetmind.first": 1,
        "meetmind.refused": 0,
        "meetmind.hasty": 0,
    }
    assert shown(path, "llm_requests_total") == {"meetmind.refused": 1, "meetmind.hasty": 1}
    assert shown(path, "llm_throttled_total") == {"meetmind.hasty": 1}


async def test_a_name_that_was_not_committed_is_admitted_with_the_next_call(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    with capped_ledger(path) as ledger:
        intent = make_intent("meetmind.new")
        await ledger.open(intent)
        with pytest.raises(LedgerUnavailableError):
            await ledger.open(msgspec.structs.replace(intent, caller=make_intent("again").caller))
        await ledger.open(make_intent("again"))

    assert shown(path, "llm_active_requests") == {"meetmind.new": 1, "again": 1}
