"""A notification is delivered once each event and channel, whatever happens in between."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import TestClock, add_event, an_event

from modelmeter.alerts.outbox import GIVE_UP_SECONDS, LEASE_SECONDS, RETRY_SECONDS_MAX, Outbox
from modelmeter.ledger.database import connect_writer

COUNTS = "SELECT labels, whole FROM series WHERE kind = 'notifications' ORDER BY labels"


@pytest.fixture(name="ledger")
def ledger_fixture(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "ledger.db"


@pytest.fixture(name="connection")
def connection_fixture(ledger: Path) -> Iterator[sqlite3.Connection]:
    """The connection of the process that is looked at."""
    connection = connect_writer(ledger)
    yield connection
    connection.close()


@pytest.fixture(name="clock")
def clock_fixture() -> TestClock:
    """The time."""
    return TestClock()


def test_each_channel_is_due_once_an_event(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    outbox = Outbox(connection, ["a", "b"])
    add_event(ledger, an_event(clock))
    add_event(ledger, an_event(clock))

    claimed = outbox.claim(clock.at_ns)

    assert [(due.event.threshold, due.channel) for due in claimed] == [(80, "a"), (80, "b")]
    for due in claimed:
        outbox.delivered(due, clock.at_ns)
    assert outbox.claim(clock.at_ns) == []
    assert not outbox.has_work(clock.at_ns)
    assert connection.execute(COUNTS).fetchall() == [('["delivered"]', 2)]


def test_what_one_process_has_claimed_another_leaves_alone(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    other_connection = connect_writer(ledger)
    one, other = Outbox(connection, ["a"]), Outbox(other_connection, ["a"])
    add_event(ledger, an_event(clock))

    claimed = one.claim(clock.at_ns)

    assert len(claimed) == 1
    assert other.claim(clock.at_ns) == []
    one.delivered(claimed[0], clock.at_ns)
    clock.move(LEASE_SECONDS)
    assert other.claim(clock.at_ns) == []
    other_connection.close()


def test_what_a_dead_process_had_claimed_is_delivered_by_the_next(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    other_connection = connect_writer(ledger)
    add_event(ledger, an_event(clock))
    assert len(Outbox(other_connection, ["a"]).claim(clock.at_ns)) == 1
    other_connection.close()

    clock.move(LEASE_SECONDS)

    assert len(Outbox(connection, ["a"]).claim(clock.at_ns)) == 1


def test_what_is_given_back_is_due_at_once(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    outbox = Outbox(connection, ["a"])
    add_event(ledger, an_event(clock))

    outbox.release(outbox.claim(clock.at_ns)[0], clock.at_ns)

    assert len(outbox.claim(clock.at_ns)) == 1


def test_a_failed_delivery_is_tried_again_ever_more_seldom_and_then_given_up(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    outbox = Outbox(connection, ["a"])
    add_event(ledger, an_event(clock))
    first_ns = clock.at_ns
    pauses = []

    while claimed := outbox.claim(clock.at_ns):
        outbox.failed(claimed[0], clock.at_ns)
        ((due_at_ns, state),) = connection.execute(
            "SELECT due_at_ns, state FROM notification"
        ).fetchall()
        if state == "due":
            pauses.append((due_at_ns - clock.at_ns) / 1e9)
            clock.at_ns = due_at_ns

    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses == sorted(pauses)
    assert pauses[-1] == RETRY_SECONDS_MAX
    assert GIVE_UP_SECONDS <= (clock.at_ns - first_ns) / 1e9 < GIVE_UP_SECONDS + RETRY_SECONDS_MAX
    assert connection.execute(COUNTS).fetchall() == [
        ('["given_up"]', 1),
        ('["retried"]', len(pauses)),
    ]


def test_old_events_are_not_told_when_somebody_begins_to_listen(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    add_event(ledger, an_event(clock, window=1))
    clock.move(GIVE_UP_SECONDS + 1)
    add_event(ledger, an_event(clock, window=2))

    claimed = Outbox(connection, ["a"]).claim(clock.at_ns)

    assert [due.event.window_start_ns for due in claimed] == [2 * 86_400_000_000_000]


def test_a_channel_that_is_no_longer_configured_keeps_nobody_busy(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    add_event(ledger, an_event(clock))
    gone = Outbox(connection, ["gone"])
    gone.release(gone.claim(clock.at_ns)[0], clock.at_ns)

    assert not Outbox(connection, ["a"]).has_work(clock.at_ns)
    assert Outbox(connection, ["a"]).claim(clock.at_ns) == []


def test_asking_for_work_writes_nothing(
    ledger: Path, connection: sqlite3.Connection, clock: TestClock
) -> None:
    outbox = Outbox(connection, ["a"])
    outbox.claim(clock.at_ns)
    before = connection.total_changes

    assert not outbox.has_work(clock.at_ns)
    add_event(ledger, an_event(clock))
    assert outbox.has_work(clock.at_ns)
    assert connection.total_changes == before
