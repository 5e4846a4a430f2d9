"""
When a provider wants to be asked again: ``Retry-After`` and the form in milliseconds.

https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
"""

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime

__all__ = ["bounded_retry_after", "number_in"]

Headers = list[tuple[bytes, bytes]]

_NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]*)?")
_PER_SECOND = {b"retry-after": 1, b"retry-after-ms": 1000}
_NS = 1_000_000_000
_DATE_BYTES_MAX = 64


def bounded_retry_after(
    headers: Headers, *, seconds_max: float, now_ns: Callable[[], int]
) -> Headers:
    """
    ``headers``, whose names are in lower case, with no wait in them above ``seconds_max``.

    A longer one becomes the bound, in seconds where it was a date. One that cannot be read, is
    negative or in the past is left out. All else stays as it was.
    """
    if not [name for name, _ in headers if name in _PER_SECOND]:
        return headers
    bounded = []
    for name, value in headers:
        units = _PER_SECOND.get(name)
        if units is None:
            bounded.append((name, value))
            continue
        wait = number_in(value)
        if wait is None and units == 1:
            wait = _seconds_until(value, now_ns() / _NS)
        if wait is not None:
            most = seconds_max * units
            bounded.append((name, value if wait <= most else b"%d" % most))
    return bounded


def number_in(value: bytes) -> float | None:
    """A number of 0 or more, infinite if it is too large; None: it is none."""
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _seconds_until(date: bytes, now_seconds: float) -> float | None:
    """How far away a date is; None: it cannot be read, or is past."""
    if len(date) > _DATE_BYTES_MAX:
        return None
    try:
        wait = parsedate_to_datetime(date.decode("ascii")).timestamp() - now_seconds
    except (ValueError, OverflowError):
        return None
    return wait if wait >= 0 else None
