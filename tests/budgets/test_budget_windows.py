"""Windows of a budget: right across changes of the clocks, and without gap or overlap."""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.budgets.windows import (
    LAST_NS,
    Slice,
    Window,
    WindowKind,
    alert_window,
    counted_from,
    slice_of,
)

NS = 1_000_000_000
HOUR_NS = 3600 * NS
MOMENTS_FROM, MOMENTS_TO = 31_536_000, 2_114_380_800
"""1971 to 2037, in seconds."""
CALENDAR = [kind for kind in WindowKind if kind is not WindowKind.ROLLING]
ODD_ZONES = (
    "Europe/Stockholm",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Havana",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
)


def ns(text: str, zone: str = "UTC") -> int:
    """An ISO time in a zone, in nanoseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_day_is_as_long_as_its_clocks_make_it(day: str, hours: int) -> None:
    window = Window(WindowKind.DAY, "Europe/Stockholm")

    found = slice_of(window, ns(f"{day}T13:00", "Europe/Stockholm"))

    assert found.start_ns == ns(f"{day}T00:00", "Europe/Stockholm")
    assert found.end_ns - found.start_ns == hours * HOUR_NS


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    window = Window(WindowKind.HOUR, "Europe/Stockholm")
    first = ns("2026-10-25T00:30")

    assert slice_of(window, first) == Slice(first - HOUR_NS // 2, first + HOUR_NS // 2)
    assert slice_of(window, first + HOUR_NS).start_ns == first + HOUR_NS // 2


def test_an_hour_that_a_change_cuts_ends_at_the_change() -> None:
    """Lord Howe moves its clocks by half an hour."""
    window = Window(WindowKind.HOUR, "Australia/Lord_Howe")
    change = ns("2026-04-04T15:00")

    assert slice_of(window, change - 1) == Slice(change - HOUR_NS, change)
    assert slice_of(window, change) == Slice(change, change + HOUR_NS // 2)


def test_a_week_begins_on_monday_and_a_month_on_its_first_day() -> None:
    moment = ns("2026-03-01T12:00", "Europe/Stockholm")

    week = slice_of(Window(WindowKind.WEEK, "Europe/Stockholm"), moment)
    month = slice_of(Window(WindowKind.MONTH, "Europe/Stockholm"), moment)

    assert week == Slice(
        ns("2026-02-23T00:00", "Europe/Stockholm"), ns("2026-03-02T00:00", "Europe/Stockholm")
    )
    assert month == Slice(
        ns("2026-03-01T00:00", "Europe/Stockholm"), ns("2026-04-01T00:00", "Europe/Stockholm")
    )


def test_a_midnight_that_comes_twice_ends_the_day_once() -> None:
    """Newfoundland's clocks went back at one minute past midnight, into the day before."""
    window = Window(WindowKind.DAY, "America/St_Johns")
    midnight = ns("2010-11-07T00:00", "America/St_Johns")

    days = {slice_of(window, midnight + minute * 60 * NS).start_ns for minute in range(120)}

    assert days == {midnight}
    assert slice_of(window, midnight - 1).end_ns == midnight


@given(
    kind=st.sampled_from(CALENDAR),
    zone=st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones())),
    at=st.integers(MOMENTS_FROM, MOMENTS_TO),
)
def test_windows_follow_each_other_without_gap_or_overlap(
    kind: WindowKind, zone: str, at: int
) -> None:
    window = Window(kind, zone)
    at_ns = at * NS

    found = slice_of(window, at_ns)

    assert found.holds(at_ns)
    assert slice_of(window, found.start_ns) == found
    assert slice_of(window, found.end_ns - 1) == found
    assert slice_of(window, found.end_ns).start_ns == found.end_ns
    assert slice_of(window, found.start_ns - 1).end_ns == found.start_ns


@given(seconds=st.integers(1, 400 * 86_400), at_ns=st.integers(10**18, 2 * 10**18))
def test_a_rolling_window_counts_at_least_its_length_and_a_sixtieth_more_at_most(
    seconds: int, at_ns: int
) -> None:
    window = Window(WindowKind.ROLLING, seconds=seconds)
    length = seconds * NS

    start = counted_from(window, at_ns)

    assert start <= at_ns - length
    assert at_ns - length - start < max(length // 60 + 1, NS)
    assert alert_window(window, at_ns).holds(at_ns)
    assert slice_of(window, start).start_ns == start


@pytest.mark.parametrize("kind", WindowKind)
@pytest.mark.parametrize("at_ns", [-1, 0, LAST_NS, 2**63 - 1, 10**30])
def test_moments_outside_the_calendar_have_a_window_too(kind: WindowKind, at_ns: int) -> None:
    window = Window(kind, "Pacific/Apia", seconds=60 if kind is WindowKind.ROLLING else None)

    assert slice_of(window, at_ns).start_ns <= LAST_NS
