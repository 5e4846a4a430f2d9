"""Circuit breakers: a model that keeps failing is left alone for a while."""

from collections import OrderedDict
from enum import IntEnum
from threading import Lock

from modelmeter.record import Clock
from modelmeter.service.routes import Target
from modelmeter.settings.routing import RoutingSettings

__all__ = ["CIRCUITS_MAX", "Circuit", "CircuitState", "Circuits"]

CIRCUITS_MAX = 1024
"""Models whose state is kept; the one that was called longest ago is forgotten."""

_NS = 1_000_000_000


class CircuitState(IntEnum):
    """Closed: calls pass. Half open: one does, to try. Open: none does."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Circuit:
    """One model's breaker."""

    def __init__(self, routing: RoutingSettings, clock: Clock) -> None:
        self._failures_max = routing.circuit_failures
        self._open_ns = int(routing.circuit_open_seconds * _NS)
        self._clock = clock
        self._failures = 0
        self._closed_again_ns = 0
        self._probing_until_ns = 0

    @property
    def state(self) -> CircuitState:
        """How it stands now."""
        if self._failures < self._failures_max:
            return CircuitState.CLOSED
        if self._clock.monotonic_ns() < self._closed_again_ns:
            return CircuitState.OPEN
        return CircuitState.HALF_OPEN

    def allow(self) -> bool:
        """
        Whether a call may be made now; when half open, one may, and is then waited for.

        A probe that is never heard of again is given up after the time the circuit stays open.
        """
        state = self.state
        if state is not CircuitState.HALF_OPEN:
            return state is CircuitState.CLOSED
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._probing_until_ns:
            return False
        self._probing_until_ns = now_ns + self._open_ns
        return True

    def succeeded(self) -> None:
        """A call came to its end, or failed by its caller's fault."""
        self._failures = 0
        self._probing_until_ns = 0

    def failed(self) -> None:
        """A call failed as another one might."""
        self._failures += 1
        self._probing_until_ns = 0
        if self._failures >= self._failures_max:
            self._closed_again_ns = self._clock.monotonic_ns() + self._open_ns


class Circuits:
    """The breakers of a process, one a provider and model."""

    def __init__(self, routing: RoutingSettings, clock: Clock) -> None:
        self._routing = routing
        self._clock = clock
        self._circuits: OrderedDict[tuple[str, str], Circuit] = OrderedDict()
        self._turn = Lock()

    def of(self, target: Target) -> Circuit:
        """The breaker of a model."""
        place = (target.provider, target.model)
        with self._turn:
            circuit = self._circuits.get(place)
            if circuit is None:
                if len(self._circuits) >= CIRCUITS_MAX:
                    self._circuits.popitem(last=False)
                circuit = self._circuits[place] = Circuit(self._routing, self._clock)
            self._circuits.move_to_end(place)
        return circuit

    def open_by_provider(self) -> dict[str, int]:
        """How many models of each provider are left alone now."""
        counts: dict[str, int] = {}
        # Metrics are asked for in a thread of their own.
        with self._turn:
            known = list(self._circuits.items())
        for (provider, _), circuit in known:
            is_open = circuit.state is not CircuitState.CLOSED
            counts[provider] = counts.get(provider, 0) + int(is_open)
        return counts
