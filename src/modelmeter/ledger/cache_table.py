"""What the processes on a ledger say of their response caches, and orders to clear them."""

import sqlite3
from collections.abc import Mapping

import msgspec

__all__ = [
    "CacheStatus",
    "cache_usage",
    "clearings_after",
    "drop_usage",
    "newest_clearing",
    "order_clearing",
    "put_usage",
    "usage_owners",
]

_SHARED = "shared"
"""The owner of what is in a store that all processes use."""

_ORDERS_KEPT_NS = 86_400 * 10**9

_DROP = "DELETE FROM cache_usage WHERE owner = ?"
_PUT = "INSERT INTO cache_usage (owner, tenant_id, answers, bytes) VALUES (?, ?, ?, ?)"
_USAGE = "SELECT tenant_id, sum(answers), sum(bytes) FROM cache_usage GROUP BY 1 ORDER BY 1"
_OWNERS = "SELECT DISTINCT owner FROM cache_usage WHERE owner NOT IN (?, ?)"
_ORDER = "INSERT INTO cache_clearing (tenant_id, ordered_at_ns) VALUES (?, ?)"
_FORGET_ORDERS = "DELETE FROM cache_clearing WHERE ordered_at_ns < ?"
_CLEARINGS = "SELECT seq, tenant_id FROM cache_clearing WHERE seq > ? ORDER BY seq"
_NEWEST = "SELECT coalesce(max(seq), 0) FROM cache_clearing"


class CacheStatus(msgspec.Struct, frozen=True):
    """What a process says of its response cache; it stands until it says something else."""

    usage: Mapping[str, tuple[int, int]]
    """Answers and bytes by tenant."""
    evictions: Mapping[str, int]
    """Answers that made room since the last status, by tenant."""
    shared: bool
    """The store is that of all processes."""


def put_usage(connection: sqlite3.Connection, status: CacheStatus, owner: str) -> None:
    """
    Write a status in place of the last one, inside a transaction.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    for old in (owner, _SHARED):
        connection.execute(_DROP, (old,))
    name = _SHARED if status.shared else owner
    rows = [(name, tenant, *used) for tenant, used in status.usage.items()]
    connection.executemany(_PUT, rows)


def drop_usage(connection: sqlite3.Connection, owner: str) -> None:
    """
    Forget what a process said: it has ended.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    connection.execute(_DROP, (owner,))


def usage_owners(connection: sqlite3.Connection, *, but: str) -> list[str]:
    """
    The processes that said something, without one of them.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return [owner for (owner,) in connection.execute(_OWNERS, (_SHARED, but))]


def cache_usage(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """
    Answers and bytes by tenant, of all processes together.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return {tenant: (answers, size) for tenant, answers, size in connection.execute(_USAGE)}


def order_clearing(connection: sqlite3.Connection, tenant_id: str | None, now_ns: int) -> None:
    """
    Have every running process forget the answers of a tenant (None: of all).

    Orders that every process has long seen are dropped.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    connection.execute(_FORGET_ORDERS, (now_ns - _ORDERS_KEPT_NS,))
    connection.execute(_ORDER, (tenant_id, now_ns))


def newest_clearing(connection: sqlite3.Connection) -> int:
    """
    The place of the last order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((newest,),) = connection.execute(_NEWEST).fetchall()
    return int(newest)


def clearings_after(connection: sqlite3.Connection, seq: int) -> list[tuple[int, str | None]]:
    """
    The orders behind a place: their places and tenants.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return connection.execute(_CLEARINGS, (seq,)).fetchall()
