"""Why apprise could not deliver, without the addresses that its own words hold."""

import re
from collections.abc import Iterable
from http import HTTPStatus

__all__ = ["reason_in"]

_STATUS = re.compile(r"error=(\d{3})\b")
_NO_CONNECTION = re.compile(r"connection error", re.IGNORECASE)
_UNKNOWN = "apprise does not say why; check the address"


def reason_in(lines: Iterable[str]) -> str:
    """What of apprise's warnings is no secret: a status, or that nobody was reached."""
    for line in lines:
        found = _STATUS.search(line)
        if found is not None:
            number = int(found.group(1))
            known = number in HTTPStatus.__members__.values()
            return f"it answered {number}{f' {HTTPStatus(number).phrase}' if known else ''}"
        if _NO_CONNECTION.search(line):
            return "no connection, or no answer in time"
    return _UNKNOWN
