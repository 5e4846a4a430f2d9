"""Spans of time as people name them, in a time zone."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from modelmeter.errors import SettingsError

__all__ = ["window"]

_ACCEPTED = "today, yesterday, week, month, 24h, 7d, 30d, or FROM..TO (dates or ISO times)"
_ROLLING = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


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
