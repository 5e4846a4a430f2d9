"""What metrics show of circuit breakers."""

from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import CIRCUIT_OPEN
from modelmeter.service.circuit import Circuits

__all__ = ["circuit_samples"]


def circuit_samples(circuits: Circuits) -> list[ProcessSample]:
    """One sample a provider that was called."""
    return [
        ProcessSample(
            CIRCUIT_OPEN.name,
            CIRCUIT_OPEN.type,
            CIRCUIT_OPEN.help,
            count,
            (("provider", provider),),
        )
        for provider, count in sorted(circuits.open_by_provider().items())
    ]
