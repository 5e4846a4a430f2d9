"""Spans of time by name, right across daylight saving."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from modelmeter.errors import SettingsError
from modelmeter.ledger.windows import period_before, window

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)
"""Half past eleven in Stockholm, on the Sunday that has 25 hours there."""


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("yesterday", "2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00"),
        ("week", "2026-10-19T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("month", "2026-10-01T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("24h", "2026-10-24T22:30:00+00:00", "2026-10-25T22:30:00+00:00"),
        ("2026-10-24..2026-10-25", "2026-10-24T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        (
            "2026-10-24T10:00..2026-10-24T12:30",
            "2026-10-24T10:00:00+02:00",
            "2026-10-24T12:30:00+02:00",
        ),
        (
            "2026-10-24T10:00Z..2026-10-24T12:00+00:00",
            "2026-10-24T10:00:00+00:00",
            "2026-10-24T12:00:00+00:00",
        ),
    ],
)
def test_a_window_begins_and_ends_where_people_mean(text: str, start: str, end: str) -> None:
    expected = (datetime.fromisoformat(start), datetime.fromisoformat(end))

    found = window(text, NOW, STOCKHOLM)

    assert tuple(moment.astimezone(UTC) for moment in found) == tuple(
        moment.astimezone(UTC) for moment in expected
    )


def test_the_day_with_an_hour_more_has_it() -> None:
    start, end = window("today", NOW, STOCKHOLM)

    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "..", "2026-10-24..", "..2026-10-24", "x..y", "2026-10-25..2026-10-24"]
)
def test_what_is_no_window_is_told_with_what_is(text: str) -> None:
    with pytest.raises(SettingsError):
        window(text, NOW, STOCKHOLM)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        # Of the day with 25 hours, 24 and a half have passed: all of the day before.
        ("today", "2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00"),
        ("yesterday", "2026-10-23T00:00:00+02:00", "2026-10-24T00:00:00+02:00"),
        ("week", "2026-10-12T00:00:00+02:00", "2026-10-19T00:00:00+02:00"),
        ("month", "2026-09-01T00:00:00+02:00", "2026-09-26T00:30:00+02:00"),
        ("24h", "2026-10-23T22:30:00+00:00", "2026-10-24T22:30:00+00:00"),
        ("2026-10-20..2026-10-21", "2026-10-18T00:00:00+02:00", "2026-10-20T00:00:00+02:00"),
    ],
)
def test_a_window_is_compared_with_as_much_of_the_one_before(
    text: str, start: str, end: str
) -> None:
    found = period_before(text, *window(text, NOW, STOCKHOLM), NOW)

    assert found == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_window_that_has_not_begun_is_compared_with_nothing() -> None:
    start, end = period_before("", *window("2026-11-01..2026-11-02", NOW, STOCKHOLM), NOW)

    assert start == end
