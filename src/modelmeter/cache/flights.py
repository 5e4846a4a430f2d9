"""Simultaneous equal calls in one process: the first is made, the others wait for its answer."""

import asyncio
from enum import Enum

from modelmeter.cache.key import CacheKey
from modelmeter.cache.store import Stored
from modelmeter.record import CacheMiss

__all__ = ["Flight", "FlightEnd", "Flights"]

FAILURES_MAX = 3
"""Leaders that may fail one after the other; then those who wait all go on by themselves."""

Place = tuple[str, CacheKey]


class FlightEnd(Enum):
    """How a flight ended that brought no answer to share."""

    FAILED = "failed"
    """The leader failed by its own; the next one may lead."""
    ALONE = "alone"
    """Everyone is to go on by itself."""
    LATE = "late"
    """It has not ended, but the wait is over."""


class Flight:
    """One call under way, and those who wait for it."""

    def __init__(self, failures: int) -> None:
        self.began = asyncio.get_running_loop().time()
        self.failures = failures
        """Leaders before this one that failed."""
        self.miss = CacheMiss.FIRST_SEEN
        """Why there was nothing in the store."""
        self._landing: asyncio.Future[Stored | FlightEnd] | None = None

    async def wait(self, seconds: float) -> Stored | FlightEnd:
        """The leader's answer, or how else it ended."""
        if seconds <= 0:
            return FlightEnd.LATE
        if self._landing is None:
            self._landing = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({self._landing}, timeout=seconds)
        return self._landing.result() if done else FlightEnd.LATE

    def land(self, end: Stored | FlightEnd) -> None:
        """Tell those who wait."""
        if self._landing is not None:
            self._landing.set_result(end)


class Flights:
    """The flights of one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Place, Flight] = {}

    def under_way(self, place: Place) -> Flight | None:
        """The flight that an equal call made now would follow."""
        return self._under_way.get(place)

    def lead(self, place: Place, *, failures: int) -> Flight:
        """Begin a flight; there is none under way."""
        flight = self._under_way[place] = Flight(failures)
        return flight

    def end(self, place: Place, flight: Flight, end: Stored | FlightEnd) -> None:
        """End a flight; the first ending stands."""
        if self._under_way.get(place) is not flight:
            return
        del self._under_way[place]
        if end is FlightEnd.FAILED and flight.failures + 1 >= FAILURES_MAX:
            end = FlightEnd.ALONE
        flight.land(end)
