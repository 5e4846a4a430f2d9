"""How long a new series is shown at 0, also over a restart."""

from modelmeter.ledger.series_reader import SeriesSnapshot
from modelmeter.record import Clock

__all__ = ["BirthHold"]

_NS = 1_000_000_000
_HELD_INTERVALS = 2
_HELD_EXTRA_SECONDS = 1.0


class BirthHold:
    """
    Decides which series are shown with their values.

    Prometheus' ``increase()`` knows nothing of what a series had at its first sample, so a
    series stands at 0 for two scrape intervals and a bit. Only time in which this process could
    be scraped counts: what was born just before a crash has been seen by nobody, however long
    the restart takes. What has been shown once stays so: falling back to 0 would read as a
    restart of the counter, and count everything twice.
    """

    def __init__(self, clock: Clock, *, scrape_interval_seconds: float) -> None:
        """From now on this process can be scraped."""
        self._clock = clock
        self._hold_ns = int((_HELD_INTERVALS * scrape_interval_seconds + _HELD_EXTRA_SECONDS) * _NS)
        # A restart often comes with a wall clock that is set right a moment later.
        self._since_ns = clock.monotonic_ns()

    def newly_shown_until_ns(self, snapshot: SeriesSnapshot) -> int | None:
        """The time of birth up to which series are to be shown from now on, if there are any."""
        if self._clock.monotonic_ns() - self._since_ns < self._hold_ns:
            return None
        until_ns = self._clock.time_ns() - self._hold_ns
        if any(
            snapshot.shown_until_ns < born_at_ns <= until_ns for *_, born_at_ns in snapshot.series
        ):
            return until_ns
        return None
