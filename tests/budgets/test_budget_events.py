"""An event of a budget, threshold and window is written once, and read in its order."""

import contextlib
from decimal import Decimal
from pathlib import Path

import msgspec

from modelmeter.budgets.events import BudgetEvent, events_after, insert_events, newest_event
from modelmeter.ledger.database import connect_writer

EVENT = BudgetEvent(
    budget_id=1,
    budget="daily",
    threshold=80,
    window_start_ns=1_000,
    window_end_ns=2_000,
    at_ns=1_500,
    unit="usd",
    limit=Decimal("50.00"),
    settled=Decimal("40.000000000001"),
    reserved=Decimal(0),
)


def test_an_event_is_written_once_however_often_it_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    later = msgspec.structs.replace(EVENT, at_ns=1_600, settled=Decimal(41))
    refusal = msgspec.structs.replace(EVENT, threshold=0)
    next_window = msgspec.structs.replace(EVENT, window_start_ns=2_000)

    for events in ([EVENT], [later, refusal], [next_window, EVENT]):
        with contextlib.closing(connect_writer(path)) as connection:
            insert_events(connection, events)

    with contextlib.closing(connect_writer(path)) as connection:
        read = events_after(connection, 0, limit=10)
        assert [msgspec.structs.replace(event, seq=0) for event in read] == [
            EVENT,
            refusal,
            next_window,
        ]
        assert [event.seq for event in read] == sorted({event.seq for event in read})
        assert events_after(connection, read[0].seq, limit=1) == [read[1]]
        assert newest_event(connection) == read[-1].seq
