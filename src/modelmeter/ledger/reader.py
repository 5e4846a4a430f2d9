"""Sums of the ledger's entries, and the entries themselves, for people and programs."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from modelmeter.ledger.corrections import lay_over
from modelmeter.record import PICO_PER_USD

__all__ = [
    "CallFilter",
    "GroupBy",
    "Report",
    "ReportRow",
    "Sums",
    "calls_between",
    "latest_calls",
    "newest_seq",
    "report",
]

_NS = 1_000_000_000
_QUARTER_NS = 15 * 60 * _NS

# Costs are summed in two parts: SQLite's integers end at 9.2 million USD in pico-dollars.
_SUMS = """
    count(*),
    sum(status IN ('error', 'timeout', 'blocked', 'unknown')),
    sum(cached),
    sum(tokens_input + tokens_cache_read + tokens_cache_write_5m + tokens_cache_write_1h
        + tokens_output + tokens_reasoning + tokens_audio_input + tokens_audio_output
        + tokens_image_input + tokens_image_output),
    sum(cost_pico_usd / 1000000000000),
    sum(cost_pico_usd % 1000000000000),
    sum(cost_state = 'unpriced')
"""
_SELECT = f"""
SELECT {{group}}, {_SUMS} FROM entry
WHERE started_at_ns >= ? AND started_at_ns < ? GROUP BY 1
"""  # noqa: S608 - column lists from the constants above
_COLUMNS = {
    "team": "team",
    "agent": "agent_id",
    "model": "model",
    "provider": "provider",
    "tenant": "tenant_id",
}
_BY_NAME = {name: _SELECT.format(group=column) for name, column in _COLUMNS.items()}
# Every time zone's offset is a multiple of a quarter of an hour.
_BY_QUARTER = _SELECT.format(group=f"started_at_ns / {_QUARTER_NS}")
# What was learned later of the entries of a span, to add to their own sums.
_SELECT_CORRECTIONS = """
SELECT {group}, 0, 0, 0, 0,
    sum(c.cost_delta_pico_usd / 1000000000000),
    sum(c.cost_delta_pico_usd % 1000000000000),
    sum(c.unpriced_delta)
FROM correction c JOIN entry e ON e.seq = c.entry_seq
WHERE c.started_at_ns >= ? AND c.started_at_ns < ? GROUP BY 1
"""
_CORRECTIONS_BY_NAME = {
    name: _SELECT_CORRECTIONS.format(group=f"e.{column}") for name, column in _COLUMNS.items()
}
_CORRECTIONS_BY_QUARTER = _SELECT_CORRECTIONS.format(group=f"c.started_at_ns / {_QUARTER_NS}")

_WANTED = """
SELECT * FROM entry
WHERE seq > :after AND seq <= :upto AND started_at_ns >= :since
  AND (:agent IS NULL OR agent_id = :agent) AND (:team IS NULL OR team = :team)
  AND (:model IS NULL OR model = :model) AND (:provider IS NULL OR provider = :provider)
  AND (:tenant IS NULL OR tenant_id = :tenant) AND (:status IS NULL OR status = :status)
"""
_LATEST = f"{_WANTED} ORDER BY seq DESC LIMIT :limit"
_NEXT = f"{_WANTED} ORDER BY seq LIMIT :limit"
_NEWEST = "SELECT coalesce(max(seq), 0) FROM entry"

_SEQ_MAX = 2**63 - 1
_FOLLOWED_AT_ONCE = 1000


class GroupBy(StrEnum):
    """What a report has a row for."""

    TEAM = "team"
    AGENT = "agent"
    MODEL = "model"
    PROVIDER = "provider"
    TENANT = "tenant"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Sums(msgspec.Struct):
    """What some calls add up to; cost in pico-dollars."""

    calls: int = 0
    errors: int = 0
    cached: int = 0
    tokens: int = 0
    cost: int = 0
    unpriced_calls: int = 0

    def add(self, other: "Sums") -> None:
        """Add other calls."""
        self.calls += other.calls
        self.errors += other.errors
        self.cached += other.cached
        self.tokens += other.tokens
        self.cost += other.cost
        self.unpriced_calls += other.unpriced_calls


class ReportRow(msgspec.Struct, frozen=True):
    """One group: its name, or the ISO time at which it begins."""

    name: str
    sums: Sums


class Report(msgspec.Struct, frozen=True):
    """The sums of a span of time; rows add up to the total."""

    total: Sums
    rows: list[ReportRow]


class CallFilter(msgspec.Struct, frozen=True):
    """Which calls to show; None: all."""

    agent: str | None = None
    team: str | None = None
    model: str | None = None
    provider: str | None = None
    tenant: str | None = None
    status: str | None = None
    since_ns: int = 0


def report(
    connection: sqlite3.Connection,
    start: datetime,
    end: datetime,
    by: GroupBy,
    time_zone: ZoneInfo,
) -> Report:
    """
    Sum the calls that began from ``start`` up to before ``end``.

    Groups by name come dearest first, groups by time in their order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = (_ns(start), _ns(end))
    if by.value in _COLUMNS:
        statements = (_BY_NAME[by.value], _CORRECTIONS_BY_NAME[by.value])
        found = _groups(connection, statements, span)
        groups = [(str(name), sums) for name, sums in found.items()]
        groups.sort(key=lambda group: (-group[1].cost, group[0]))
    else:
        quarters = _groups(connection, (_BY_QUARTER, _CORRECTIONS_BY_QUARTER), span)
        groups = _fold(quarters.items(), by, time_zone)
    total = Sums()
    for _, sums in groups:
        total.add(sums)
    return Report(total=total, rows=[ReportRow(name, sums) for name, sums in groups])


def latest_calls(
    connection: sqlite3.Connection, wanted: CallFilter, *, limit: int, upto_seq: int = _SEQ_MAX
) -> list[dict[str, object]]:
    """
    The newest entries that fit, by column name, oldest of them first.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    rows = _calls(connection, _LATEST, wanted, (0, upto_seq), limit)
    rows.reverse()
    return rows


def newest_seq(connection: sqlite3.Connection) -> int:
    """
    The place of the last entry; later ones come behind it.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((newest,),) = connection.execute(_NEWEST).fetchall()
    return int(newest)


def calls_between(
    connection: sqlite3.Connection, wanted: CallFilter, *, after_seq: int, upto_seq: int
) -> Iterator[dict[str, object]]:
    """
    All entries that fit behind one place, up to and with another, in their order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    while rows := _calls(connection, _NEXT, wanted, (after_seq, upto_seq), _FOLLOWED_AT_ONCE):
        yield from rows
        after_seq = int(str(rows[-1]["seq"]))


def _calls(
    connection: sqlite3.Connection,
    statement: str,
    wanted: CallFilter,
    places: tuple[int, int],
    limit: int,
) -> list[dict[str, object]]:
    parameters = msgspec.structs.asdict(wanted)
    parameters["since"] = parameters.pop("since_ns")
    after, upto = places
    cursor = connection.execute(
        statement, {**parameters, "after": after, "upto": upto, "limit": limit}
    )
    names = [column[0] for column in cursor.description]
    return lay_over(connection, (dict(zip(names, row, strict=True)) for row in cursor))


def _groups(
    connection: sqlite3.Connection, statements: Iterable[str], span: tuple[int, int]
) -> dict[object, Sums]:
    """The sums by group over what each statement finds, all of one moment of the ledger."""
    groups: defaultdict[object, Sums] = defaultdict(Sums)
    connection.execute("BEGIN")
    try:
        for statement in statements:
            for name, calls, errors, cached, tokens, usd, pico, unpriced in connection.execute(
                statement, span
            ):
                cost = usd * PICO_PER_USD + pico
                groups[name].add(Sums(calls, errors, cached, tokens, cost, unpriced))
    finally:
        connection.execute("ROLLBACK")
    return groups


def _fold(
    quarters: Iterable[tuple[object, Sums]], by: GroupBy, time_zone: ZoneInfo
) -> list[tuple[str, Sums]]:
    """Quarter-hours of UTC into hours, days, weeks or months of a time zone."""
    # By the instant in UTC: the two hours that share a name in autumn are equal in their zone.
    folded: defaultdict[datetime, Sums] = defaultdict(Sums)
    for quarter, sums in quarters:
        moment = datetime.fromtimestamp(int(str(quarter)) * _QUARTER_NS // _NS, UTC)
        folded[_start_of(moment.astimezone(time_zone), by).astimezone(UTC)].add(sums)
    return [(start.astimezone(time_zone).isoformat(), folded[start]) for start in sorted(folded)]


def _start_of(moment: datetime, by: GroupBy) -> datetime:
    if by is GroupBy.HOUR:
        # The zone's own offset stays: the hour that comes twice in autumn is two hours.
        offset = moment.utcoffset() or timedelta()
        hour = moment.replace(minute=0, second=0, microsecond=0, tzinfo=None)
        return (hour - offset).replace(tzinfo=UTC).astimezone(moment.tzinfo)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if by is GroupBy.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by is GroupBy.MONTH else day


def _ns(moment: datetime) -> int:
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * _NS + moment.microsecond * 1000
