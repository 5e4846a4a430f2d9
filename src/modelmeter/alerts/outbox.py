"""
The notifications still to be delivered, kept in the ledger: they outlast a restart.

A row an event and channel makes "once each" a matter of the primary key, whoever notices the
event. Who delivers holds a lease on the row; one that dies leaves it to the next, so that a
notification arrives at least once, and twice only where a process dies between telling and noting.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from modelmeter.budgets.events import BudgetEvent, events_after, newest_event
from modelmeter.ledger.series import NOTIFICATIONS
from modelmeter.ledger.transaction import add_to_series

__all__ = ["GIVE_UP_SECONDS", "LEASE_SECONDS", "Due", "Outbox"]

LEASE_SECONDS = 120.0
"""For which a claimed notification is nobody else's; longer than any delivery takes."""
GIVE_UP_SECONDS = 24 * 3600.0
"""How long the delivery of a notification is tried, and how old an event may be to be told."""
RETRY_SECONDS_MIN = 2.0
RETRY_SECONDS_MAX = 300.0
"""Pauses between two tries of a delivery: twice as long each time, between these."""
CLAIMED_MAX = 8
"""Notifications that are claimed at once."""
EVENTS_MAX = 256
"""Events that are taken up in one transaction."""
KEPT_SECONDS = 90 * 24 * 3600.0
"""How long it is kept that a notification was delivered."""

_NS = 1_000_000_000
_DOUBLINGS_MAX = 16

_CURSOR = "SELECT event_seq FROM notification_cursor"
_SET_CURSOR = """
INSERT INTO notification_cursor (only_row, event_seq) VALUES (1, ?)
ON CONFLICT (only_row) DO UPDATE SET event_seq = excluded.event_seq
"""
_ENROL = """
INSERT INTO notification (event_seq, channel, state, first_due_at_ns, due_at_ns)
VALUES (?, ?, 'due', ?, ?)
ON CONFLICT (event_seq, channel) DO NOTHING
"""
_ANY_DUE = """
SELECT 1 FROM notification WHERE state = 'due' AND due_at_ns <= ? AND leased_until_ns <= ?
    AND channel IN (SELECT value FROM json_each(?)) LIMIT 1
"""
_DUE = """
SELECT event_seq, channel, attempts, first_due_at_ns FROM notification
WHERE state = 'due' AND due_at_ns <= ? AND leased_until_ns <= ?
    AND channel IN (SELECT value FROM json_each(?)) ORDER BY due_at_ns LIMIT ?
"""
_LEASE = """
UPDATE notification SET leased_until_ns = ?, attempts = attempts + 1
WHERE event_seq = ? AND channel = ?
"""
_END = """
UPDATE notification SET state = ?, leased_until_ns = 0
WHERE event_seq = ? AND channel = ? AND state = 'due'
"""
_AGAIN = """
UPDATE notification SET due_at_ns = ?, leased_until_ns = 0
WHERE event_seq = ? AND channel = ? AND state = 'due'
"""
_FORGET = "DELETE FROM notification WHERE first_due_at_ns < ?"


class Due(msgspec.Struct, frozen=True):
    """A claimed notification."""

    event: BudgetEvent
    channel: str
    attempts: int
    """Tries before this one."""
    first_due_at_ns: int


class Outbox:
    """The rows of one ledger; to be used by one thread."""

    def __init__(self, connection: sqlite3.Connection, channels: Sequence[str]) -> None:
        self._connection = connection
        self._channels = tuple(channels)
        self._channels_text = msgspec.json.encode(self._channels).decode()

    def has_work(self, now_ns: int) -> bool:
        """
        Whether there is something to enrol or to deliver; only reads.

        Raises:
            sqlite3.Error: the ledger cannot be read now.
        """
        connection = self._connection
        if connection.execute(_CURSOR).fetchone() != (newest_event(connection),):
            return True
        wanted = (now_ns, now_ns, self._channels_text)
        return connection.execute(_ANY_DUE, wanted).fetchone() is not None

    def claim(self, now_ns: int) -> list[Due]:
        """
        Take up new events, and a lease on what is due.

        Raises:
            sqlite3.Error: the ledger cannot be written now; nothing is claimed.
        """
        connection = self._connection
        with _Transaction(connection):
            self._enrol(now_ns)
            wanted = (now_ns, now_ns, self._channels_text, CLAIMED_MAX)
            rows = connection.execute(_DUE, wanted).fetchall()
            until_ns = now_ns + int(LEASE_SECONDS * _NS)
            connection.executemany(_LEASE, [(until_ns, seq, channel) for seq, channel, *_ in rows])
        return [
            Due(events[0], channel, attempts, first)
            for seq, channel, attempts, first in rows
            if (events := events_after(connection, seq - 1, limit=1)) and events[0].seq == seq
        ]

    def delivered(self, due: Due, now_ns: int) -> None:
        """
        Note that it arrived.

        Raises:
            sqlite3.Error: the ledger cannot be written now.
        """
        self._end(due, "delivered", now_ns)

    def failed(self, due: Due, now_ns: int) -> None:
        """
        Note that it did not arrive: it is tried again later, or given up.

        Raises:
            sqlite3.Error: the ledger cannot be written now.
        """
        if now_ns - due.first_due_at_ns >= GIVE_UP_SECONDS * _NS:
            self._end(due, "given_up", now_ns)
            return
        pause = RETRY_SECONDS_MIN * 2 ** min(due.attempts, _DOUBLINGS_MAX)
        due_at_ns = now_ns + int(min(pause, RETRY_SECONDS_MAX) * _NS)
        with _Transaction(self._connection):
            self._connection.execute(_AGAIN, (due_at_ns, due.event.seq, due.channel))
            self._count("retried", now_ns)

    def release(self, due: Due, now_ns: int) -> None:
        """
        Give the lease back untried, for whoever comes next.

        Raises:
            sqlite3.Error: the ledger cannot be written now.
        """
        with _Transaction(self._connection):
            self._connection.execute(_AGAIN, (now_ns, due.event.seq, due.channel))

    def _enrol(self, now_ns: int) -> None:
        connection = self._connection
        row = connection.execute(_CURSOR).fetchone()
        events = events_after(connection, row[0] if row else 0, limit=EVENTS_MAX)
        oldest_ns = now_ns - int(GIVE_UP_SECONDS * _NS)
        connection.executemany(
            _ENROL,
            [
                (event.seq, channel, now_ns, now_ns)
                for event in events
                if event.at_ns >= oldest_ns
                for channel in self._channels
            ],
        )
        if events or row is None:
            connection.execute(_SET_CURSOR, (events[-1].seq if events else 0,))
            connection.execute(_FORGET, (now_ns - int(KEPT_SECONDS * _NS),))

    def _end(self, due: Due, state: str, now_ns: int) -> None:
        with _Transaction(self._connection):
            self._connection.execute(_END, (state, due.event.seq, due.channel))
            self._count(state, now_ns)

    def _count(self, outcome: str, now_ns: int) -> None:
        add_to_series(self._connection, NOTIFICATIONS, [outcome], now_ns)


class _Transaction:
    """All or nothing; waits for other writers as long as the connection's timeout."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
