"""Any wait that a provider tells comes out within its bound, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.wire.retry_after import bounded_retry_after

KEPT = (b"content-type", b"application/json")
NOW_NS = 1_790_000_000_000_000_000
TOMORROW = b"Tue, 22 Sep 2026 14:13:20 GMT"
"""A day after that."""


def wait(value: bytes, name: bytes = b"retry-after", seconds_max: float = 60) -> bytes | None:
    """What is left of a header among others."""
    headers = bounded_retry_after(
        [(name, value), KEPT], seconds_max=seconds_max, now_ns=lambda: NOW_NS
    )
    assert headers[-1] == KEPT
    return dict(headers).get(name)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"0", b"0"), (b" 5 ", b" 5 "), (b"60", b"60"), (b"60.1", b"60"), (b"0.5", b"0.5"),
        (b"61", b"60"), (b"9" * 400, b"60"), (TOMORROW, b"60"),
        (b"-1", None), (b"+1", None), (b"", None), (b"1e9", None), (b"inf", None), (b"0x5", None),
        (b"1_000", None), ("٣".encode(), None), (b"\xff", None), (b"Wed, 21 Oct", None),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", None), (b"Mon, 99 Sep 99999999 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_seconds_and_dates_are_bounded(value: bytes, told: bytes | None) -> None:
    assert wait(value) == told


def test_a_date_within_the_bound_stays_as_it_was() -> None:
    assert wait(TOMORROW, seconds_max=86_400) == TOMORROW


@pytest.mark.parametrize(("value", "told"), [(b"59999", b"59999"), (b"60001", b"60000")])
def test_milliseconds_have_the_same_bound(value: bytes, told: bytes) -> None:
    assert wait(value, b"retry-after-ms") == told


def test_milliseconds_are_never_a_date() -> None:
    assert wait(TOMORROW, b"retry-after-ms", 1e6) is None


@given(st.binary(max_size=80) | st.from_regex(rb"[0-9.:, GMTWedOct]{1,40}", fullmatch=True))
def test_any_value_is_bounded_or_left_out(value: bytes) -> None:
    told = wait(value, seconds_max=60)

    assert told in (None, value, b"60")
