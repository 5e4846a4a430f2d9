"""
Spans of time that budgets count in: calendar windows of a time zone, and rolling ones.

Every instant lies in exactly one slice of a window, so that the sums of slices add up. A
calendar window is one slice; a rolling window is the slices of its last seconds.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

__all__ = ["LAST_NS", "Slice", "Window", "WindowKind", "alert_window", "counted_from", "slice_of"]

_NS = 1_000_000_000
_HOUR_SECONDS = 3600
LAST_NS = int(datetime(2261, 1, 1, tzinfo=UTC).timestamp()) * _NS
"""Later moments count as this one: nanoseconds in 64 bits end in the year after."""
_SLICES_OF_ROLLING = 60
"""A rolling window moves on in steps of a sixtieth, and never counts less than its length."""


class WindowKind(StrEnum):
    """How long a window is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    """From Monday."""
    MONTH = "month"
    ROLLING = "rolling"


class Window(msgspec.Struct, frozen=True, dict=True):
    """When a budget begins anew."""

    kind: WindowKind
    time_zone: str = "UTC"
    seconds: int | None = None
    """The length of a rolling window; None for others."""

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of calendar windows."""
        return ZoneInfo(self.time_zone)

    @property
    def rolls(self) -> bool:
        """It has no fixed end."""
        return self.kind is WindowKind.ROLLING


class Slice(msgspec.Struct, frozen=True):
    """From a moment to before another; nanoseconds since 1970, UTC."""

    start_ns: int
    end_ns: int

    def holds(self, at_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.start_ns <= at_ns < self.end_ns


def slice_of(window: Window, at_ns: int) -> Slice:
    """The slice of ``window`` in which ``at_ns`` lies."""
    at_ns = min(max(at_ns, 0), LAST_NS)
    if window.rolls:
        length = _step_ns(window)
        start = at_ns // length * length
        return Slice(start, start + length)
    if window.kind is WindowKind.HOUR:
        return _hour(at_ns // _NS, window.zone)
    return _days(at_ns // _NS, window)


def counted_from(window: Window, at_ns: int) -> int:
    """The start of the first slice that counts at ``at_ns``."""
    if not window.rolls:
        return slice_of(window, at_ns).start_ns
    return slice_of(window, at_ns - (window.seconds or 0) * _NS).start_ns


def alert_window(window: Window, at_ns: int) -> Slice:
    """The span in which a threshold is told once: of a rolling window, a length of it."""
    if not window.rolls:
        return slice_of(window, at_ns)
    length = (window.seconds or 1) * _NS
    start = max(at_ns, 0) // length * length
    return Slice(start, start + length)


def _step_ns(window: Window) -> int:
    return max(-(-(window.seconds or 0) * _NS // _SLICES_OF_ROLLING), _NS)


def _hour(at: int, zone: ZoneInfo) -> Slice:
    """A local hour; one that a change of the clocks cuts ends, or begins, at the change."""
    offset = _offset(at, zone)
    start = (at + offset) // _HOUR_SECONDS * _HOUR_SECONDS - offset
    end = start + _HOUR_SECONDS
    if _offset(start, zone) != offset:
        start = _change(start, at, zone)
    if _offset(end - 1, zone) != offset:
        end = _change(at, end - 1, zone)
    return Slice(start * _NS, end * _NS)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The first second with the clock of ``after``, behind ``before`` with another one."""
    offset = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(at: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _days(at: int, window: Window) -> Slice:
    """
    A day, week or month: from one local midnight to another.

    A clock that goes back over midnight makes a date end twice; the first midnight counts.
    """
    zone = window.zone
    first = _first_day(datetime.fromtimestamp(at, zone).date(), window.kind)
    following = _next(first, window.kind)
    while _midnight(following, zone) <= at:
        first, following = following, _next(following, window.kind)
    return Slice(_midnight(first, zone) * _NS, _midnight(following, zone) * _NS)


def _first_day(day: date, kind: WindowKind) -> date:
    if kind is WindowKind.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind is WindowKind.MONTH else day


def _next(day: date, kind: WindowKind) -> date:
    if kind is WindowKind.WEEK:
        return day + timedelta(days=7)
    if kind is WindowKind.MONTH:
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), tzinfo=zone).timestamp())
