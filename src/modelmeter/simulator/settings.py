"""How a simulator behaves: one frozen object."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

__all__ = ["PROVIDERS", "SimulatorSettings"]

PROVIDERS = ("openai", "up", "anthropic", "bedrock", "genai")
"""The simulated providers, each under its own path prefix; ``up`` answers as Azure OpenAI does."""

_NOBODY: Mapping[str, str] = MappingProxyType({})
_NO_FAILURES: Mapping[str, float] = MappingProxyType({})


class SimulatorSettings(msgspec.Struct, frozen=True):
    """What to simulate; the defaults answer at once, never fail, and let everyone in."""

    seed: int = 0
    """Equal seeds give equal answers to equal bodies."""
    speed: float = 0.0
    """Factor on realistic latencies: 0 answers at once, 1 as slowly as the real providers."""
    failure_rates: Mapping[str, float] = _NO_FAILURES
    """Share of calls of each provider that fail with a rate limit, an overload or a 5xx."""
    required_keys: tuple[str, ...] = ()
    """Accepted API keys, and access key ids for Bedrock; none means any but a gateway's key."""
    aws_secrets: Mapping[str, str] = _NOBODY
    """Secrets of access key ids; a Bedrock request of one of these must be signed rightly."""

    def __post_init__(self) -> None:
        if self.speed < 0:
            raise ValueError(f"speed must not be negative: {self.speed}")
        for provider, rate in self.failure_rates.items():
            if provider not in PROVIDERS or not 0 <= rate <= 1:
                raise ValueError(f"no failure rate of a provider: {provider}={rate}")
