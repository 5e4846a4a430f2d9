"""Spans of time as people name them, in a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from modelmeter.errors import SettingsError

__all__ = ["period_before", "window"]

_ROLLING = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
_CALENDAR = ("today", "yesterday", "week", "month")
_ACCEPTED = f"{', '.join((*_CALENDAR, *_ROLLING))}, or FROM..TO (dates or ISO times)"


def window(text: str, now: datetime, time_zone: ZoneInfo) -> tuple[datetime, datetime]:
    """
    The span ``text`` names: its start, and the moment it is over.

    ``week`` begins on Monday; a TO that is a date is part of the span.

    Raises:
        SettingsError: there is no such span.
    """
    if text in _ROLLING:
        return (now - _ROLLING[text]).astimezone(time_zone), now.astimezone(time_zone)
    today = now.astimezone(time_zone).date()
    starts = {
        "today": today,
        "yesterday": today - timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }
    if text in starts:
        end = today if text == "yesterday" else today + timedelta(days=1)
        return _midnight(starts[text], time_zone), _midnight(end, time_zone)
    first, dots, last = text.partition("..")
    if not dots:
        raise SettingsError(f"no such window {text!r}: give {_ACCEPTED}")
    start = _moment(first, time_zone, ends=False)
    end_of_span = _moment(last, time_zone, ends=True)
    if end_of_span <= start:
        raise SettingsError(f"the window {text!r} ends before it begins")
    return start, end_of_span


def period_before(
    text: str, start: datetime, end: datetime, now: datetime
) -> tuple[datetime, datetime]:
    """
    What to compare a window with: the day, week or month before it, else a span of its length.

    As much of it as has passed of the window itself, so that a morning is compared with a morning.
    """
    # In UTC: between two moments of one zone, Python takes the clocks on the wall apart.
    until = min(end.astimezone(UTC), now.astimezone(UTC))
    passed = max(until - start.astimezone(UTC), timedelta())
    if text in ("today", "yesterday"):
        before = start - timedelta(days=1)
    elif text == "week":
        before = start - timedelta(days=7)
    elif text == "month":
        before = (start - timedelta(days=1)).replace(day=1)
    else:
        before = _later(start, -passed)
    return before, min(_later(before, passed), start)


def _later(moment: datetime, by: timedelta) -> datetime:
    """Elapsed time, not the clock on the wall: a day with 25 hours is as long as it is."""
    return (moment.astimezone(UTC) + by).astimezone(moment.tzinfo)


def _moment(text: str, time_zone: ZoneInfo, *, ends: bool) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise SettingsError(f"{text!r} is no date and no time: give {_ACCEPTED}") from error
        return moment.replace(tzinfo=moment.tzinfo or time_zone)
    return _midnight(day + timedelta(days=1) if ends else day, time_zone)


def _midnight(day: date, time_zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=time_zone)
