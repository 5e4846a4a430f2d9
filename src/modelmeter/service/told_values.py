"""What a program tells of its calls, as far as it can be counted."""

import logging
import threading
from collections import Counter
from decimal import Decimal

from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import VALUES_LEFT_OUT
from modelmeter.record import PicoUsd, pico_usd

__all__ = ["COST_USD_MAX", "DURATION_SECONDS_MAX", "TOKENS_MAX", "UNKNOWN", "ToldValues"]

logger = logging.getLogger(__name__)

TOKENS_MAX = 10**12
DURATION_SECONDS_MAX = 10**7
COST_USD_MAX = 10**6
"""More of one call would be a mistake, and burst the sums."""
UNKNOWN = "unknown"
"""Stands for a word that is none."""

_NS = 1_000_000_000


class ToldValues:
    """
    Reads values one by one; one that is none is left out, and the rest of the call is counted.

    A program's own call must never fail for its metering. So nothing raises here: what is left
    out is counted, and logged the first time that it happens to a value of that name.
    """

    def __init__(self) -> None:
        self._left_out: Counter[str] = Counter()
        self._turn = threading.Lock()

    def word(self, name: str, value: object) -> str:
        """A text; one that is no Unicode with its faults replaced, `UNKNOWN` for no text."""
        if not isinstance(value, str):
            self._leave_out(name, value)
            return UNKNOWN
        try:
            value.encode()
        except UnicodeEncodeError:
            self._leave_out(name, value)
            return value.encode("utf-8", "replace").decode()
        return value

    def count(self, name: str, value: object, *, most: int = TOKENS_MAX) -> int | None:
        """A whole number from 0 up; None for what is none."""
        number = self._number(name, value, most)
        return None if number is None else int(number)

    def nanoseconds(self, name: str, value: object) -> int | None:
        """Seconds, in nanoseconds; None for what is no time."""
        number = self._number(name, value, DURATION_SECONDS_MAX)
        return None if number is None else int(number * _NS)

    def cost(self, name: str, value: object) -> PicoUsd:
        """USD as they are written, in pico-dollars; 0 for what is no amount of money."""
        number = self._number(name, value, COST_USD_MAX)
        return PicoUsd(0) if number is None else pico_usd(number)

    def samples(self) -> list[ProcessSample]:
        """How many values of each name were left out."""
        with self._turn:
            left_out = sorted(self._left_out.items())
        return [VALUES_LEFT_OUT.sample(count, name) for name, count in left_out]

    def _number(self, name: str, value: object, most: int) -> Decimal | None:
        try:
            number = Decimal(str(value))
        except (ArithmeticError, ValueError):
            number = Decimal("NaN")
        if number.is_finite() and 0 <= number <= most:
            return number
        self._leave_out(name, value)
        return None

    def _leave_out(self, name: str, value: object) -> None:
        with self._turn:
            self._left_out[name] += 1
            first = self._left_out[name] == 1
        if first:
            # Not the value itself: its text may be of any length, or cannot be made.
            kind = type(value).__name__
            logger.warning("%s: this %s cannot be counted; such are left out", name, kind)
