"""What every question of the API may say: which time, whose calls."""

import sqlite3
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from modelmeter.errors import RefusedRequestError, SettingsError
from modelmeter.ledger.busy_spans import from_a_quarter
from modelmeter.ledger.usage import Span
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.ledger.windows import period_before, window
from modelmeter.web.access import Viewer

__all__ = ["Asked", "Format", "UsageQuery", "Window", "as_affordable", "asked", "iso"]

_NS = 1_000_000_000
_YEARS = range(1971, 2262)
"""Times in nanoseconds since 1970 that SQLite's integers hold."""
_VALUES_MAX = 100
_DEFAULT_WINDOW = "24h"

Name = Annotated[str, StringConstraints(max_length=256)]
Names = Annotated[list[Name], Field(max_length=_VALUES_MAX)]


class Window(StrEnum):
    """Spans of time by name; those of the calendar in the time zone."""

    MINUTES_15 = "15m"
    HOUR = "1h"
    HOURS_6 = "6h"
    HOURS_24 = "24h"
    DAYS_7 = "7d"
    DAYS_30 = "30d"
    DAYS_90 = "90d"
    TODAY = "today"
    YESTERDAY = "yesterday"
    WEEK = "week"
    MONTH = "month"


_ROLLING = frozenset(
    {
        Window.MINUTES_15,
        Window.HOUR,
        Window.HOURS_6,
        Window.HOURS_24,
        Window.DAYS_7,
        Window.DAYS_30,
        Window.DAYS_90,
    }
)

Format = Literal["json", "csv"]


class UsageQuery(BaseModel):
    """The parameters that all questions share."""

    model_config = ConfigDict(extra="forbid")

    from_: Annotated[
        str | None,
        Field(
            alias="from",
            min_length=1,
            max_length=64,
            description="Date or ISO time; goes with `to`.",
        ),
    ] = None
    to: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            description="Date (the whole day) or ISO time; without it: now.",
        ),
    ] = None
    window: Annotated[Window | None, Field(description="Instead of `from` and `to`.")] = None
    time_zone: Annotated[
        str | None,
        Field(min_length=1, max_length=64, description="IANA name; else the configuration's."),
    ] = None
    agent: Annotated[Names, Field(description="Only of these agents.")] = []
    team: Annotated[Names, Field(description="Only of these teams.")] = []
    model: Annotated[Names, Field(description="Only on these models.")] = []
    provider: Annotated[Names, Field(description="Only to these providers.")] = []
    tenant: Annotated[Names, Field(description="Only of these tenants.")] = []


class Asked(msgspec.Struct, frozen=True):
    """A question's parameters, resolved at one moment."""

    start: datetime
    end: datetime
    before: Span
    """The period to compare with."""
    now: datetime
    time_zone: ZoneInfo
    wanted: UsageFilter
    viewer: Viewer
    rolls: bool
    """The time asked about is the last so many hours or days."""

    @property
    def span(self) -> Span:
        """The time asked about."""
        return Span(_ns(self.start), _ns(self.end))

    @property
    def now_ns(self) -> int:
        """The moment of the question."""
        return _ns(self.now)


def asked(query: UsageQuery, viewer: Viewer, now_ns: int, default_zone: str) -> Asked:
    """
    Resolve a question's parameters, within what its viewer may see.

    Raises:
        RefusedRequestError: a value that means nothing (400), or a tenant that is not the
            viewer's (403).
    """
    now = datetime.fromtimestamp(now_ns // 1000 / 1e6, UTC)
    zone = _zone(query.time_zone or default_zone)
    name, start, end = _window(query, now, zone)
    before_start, before_end = period_before(name, start, end, now)
    return Asked(
        start=start,
        end=end,
        before=Span(_ns(before_start), _ns(before_end)),
        now=now,
        time_zone=zone,
        wanted=UsageFilter(
            agent=tuple(query.agent),
            team=tuple(query.team),
            model=tuple(query.model),
            provider=tuple(query.provider),
            tenant=viewer.tenants(query.tenant),
        ),
        viewer=viewer,
        rolls=name in _ROLLING,
    )


def as_affordable(connection: sqlite3.Connection, asked: Asked) -> Asked:
    """
    The question, its rolling time begun with a quarter-hour where there are very many calls.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = from_a_quarter(connection, asked.span) if asked.rolls else asked.span
    if span == asked.span:
        return asked
    before = from_a_quarter(connection, asked.before)
    return msgspec.structs.replace(
        asked,
        start=datetime.fromtimestamp(span.start_ns // _NS, asked.time_zone),
        before=Span(before.start_ns, span.start_ns),
    )


def iso(moment: datetime) -> str:
    """ISO 8601 with the offset of the moment's zone."""
    return moment.isoformat(timespec="milliseconds")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise _invalid(f"no such time zone: {name!r}", "time_zone") from error


def _window(query: UsageQuery, now: datetime, zone: ZoneInfo) -> tuple[str, datetime, datetime]:
    if query.from_ is None:
        if query.to is not None:
            raise _invalid("`to` goes with `from`", "to")
        name = query.window or _DEFAULT_WINDOW
        return name, *window(name, now, zone)
    if query.window is not None:
        raise _invalid("give either `window` or `from` and `to`", "window")
    until = query.to or now.isoformat()
    try:
        start, end = window(f"{query.from_}..{until}", now, zone)
    except (SettingsError, OverflowError) as error:
        raise _invalid(str(error), "from") from error
    if start.year not in _YEARS or end.year not in _YEARS:
        raise _invalid(f"give years from {_YEARS[0]} to {_YEARS[-1]}", "from")
    return "", start, end


def _ns(moment: datetime) -> int:
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * _NS + moment.microsecond * 1000


def _invalid(message: str, parameter: str) -> RefusedRequestError:
    return RefusedRequestError(f"{parameter}: {message}", code="invalid_parameter")
