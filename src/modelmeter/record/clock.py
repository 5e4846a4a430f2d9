"""Time, injected: wall time for records, monotonic time for durations."""

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where a part reads the time; tests put their own in its place."""

    def time_ns(self) -> int:
        """UTC, nanoseconds since 1970; may jump."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some point; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def time_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of the monotonic clock."""
        return time.monotonic_ns()
