"""Sums of the ledger's entries, and the entries themselves, for people and programs."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from modelmeter.ledger.corrections import lay_over
from modelmeter.ledger.rollup import QUARTER_SECONDS
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Dimension, Span, facts
from modelmeter.ledger.usage_filter import UsageFilter

__all__ = [
    "CallFilter",
    "GroupBy",
    "Report",
    "ReportRow",
    "calls_between",
    "latest_calls",
    "newest_seq",
    "report",
]

_NS = 1_000_000_000
_HOUR_SECONDS = 3600
_OFFSET_KEPT_SECONDS = 14 * 86_400
"""A zone's offset from UTC is looked at so often; it holds for longer."""

_WANTED = """
SELECT * FROM entry
WHERE seq > :after AND seq <= :upto AND started_at_ns >= :since AND started_at_ns < :until
  AND (:agent IS NULL OR agent_id = :agent) AND (:team IS NULL OR team = :team)
  AND (:model IS NULL OR model = :model) AND (:provider IS NULL OR provider = :provider)
  AND (:tenant IS NULL OR tenant_id = :tenant) AND (:status IS NULL OR status = :status)
"""
_LATEST = f"{_WANTED} ORDER BY seq DESC LIMIT :limit"
_NEXT = f"{_WANTED} ORDER BY seq LIMIT :limit"
_NEWEST = "SELECT coalesce(max(seq), 0) FROM entry"

_INTEGER_MAX = 2**63 - 1
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


_ALL = UsageFilter()
_BY_TIME = frozenset({GroupBy.HOUR, GroupBy.DAY, GroupBy.WEEK, GroupBy.MONTH})


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
    until_ns: int = _INTEGER_MAX
    """Those that began before."""


def report(
    connection: sqlite3.Connection,
    start: datetime,
    end: datetime,
    by: GroupBy,
    time_zone: ZoneInfo,
    wanted: UsageFilter = _ALL,
) -> Report:
    """
    Sum the calls that began from ``start`` up to before ``end``, of those that are ``wanted``.

    Groups by name come dearest first, groups by time in their order.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = Span(_ns(start), _ns(end))
    if by in _BY_TIME:
        groups = _fold(_short_steps(connection, span, wanted, by, time_zone), by, time_zone)
    else:
        rows = facts(connection, span, wanted, SUM_FACTS, by=Dimension(by.value))
        groups = [(name, Sums.of(sums)) for name, _, sums in rows]
        groups.sort(key=lambda group: (-group[1].cost, group[0]))
    total = Sums()
    for _, sums in groups:
        total.add(sums)
    return Report(total=total, rows=[ReportRow(name, sums) for name, sums in groups])


def latest_calls(
    connection: sqlite3.Connection, wanted: CallFilter, *, limit: int, upto_seq: int = _INTEGER_MAX
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
    parameters["until"] = parameters.pop("until_ns")
    after, upto = places
    cursor = connection.execute(
        statement, {**parameters, "after": after, "upto": upto, "limit": limit}
    )
    names = [column[0] for column in cursor.description]
    return lay_over(connection, (dict(zip(names, row, strict=True)) for row in cursor))


def _short_steps(
    connection: sqlite3.Connection,
    span: Span,
    wanted: UsageFilter,
    by: GroupBy,
    time_zone: ZoneInfo,
) -> list[tuple[int, Sums]]:
    """The sums of short steps, none of which crosses a border of ``by`` in the time zone."""
    # Where no offset of the zone holds a part of an hour, whole hours will do.
    moments = [*range(span.start_ns // _NS, span.end_ns // _NS, _OFFSET_KEPT_SECONDS)]
    moments.append(span.end_ns // _NS)
    offsets = (datetime.fromtimestamp(moment, time_zone).utcoffset() for moment in moments)
    halved = any(offset is None or offset.seconds % _HOUR_SECONDS for offset in offsets)
    step = QUARTER_SECONDS if halved or by is GroupBy.HOUR else _HOUR_SECONDS
    rows = facts(connection, span, wanted, SUM_FACTS, step_seconds=step)
    return [(at, Sums.of(sums)) for _, at, sums in rows]


def _fold(
    steps: Iterable[tuple[int, Sums]], by: GroupBy, time_zone: ZoneInfo
) -> list[tuple[str, Sums]]:
    """Short steps of UTC into hours, days, weeks or months of a time zone."""
    # By the instant in UTC: the two hours that share a name in autumn are equal in their zone.
    folded: defaultdict[datetime, Sums] = defaultdict(Sums)
    for start_seconds, sums in steps:
        moment = datetime.fromtimestamp(start_seconds, UTC)
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
