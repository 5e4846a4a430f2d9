"""What metrics show of circuit breakers."""

from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import CIRCUIT_OPEN
from modelmeter.service.circuit import Circuits

__all__ = ["circuit_samples"]


def circuit_samples(circuits: Circuits) -> list[ProcessSample]:
    """One sample a provider that was called."""
    return [
        CIRCUIT_OPEN.sample(count, provider)
        for provider, count in sorted(circuits.open_by_provider().items())
    ]
