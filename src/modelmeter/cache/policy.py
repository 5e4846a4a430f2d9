"""Which calls may be answered from the cache, and for how long their answers are kept."""

from fnmatch import fnmatchcase

import msgspec

from modelmeter.record import Operation
from modelmeter.settings.cache import CacheSettings

__all__ = ["CachePlan", "CachePolicy"]

PLANS_MAX = 4096
"""Plans remembered by agent, model and operation; then the memory starts anew."""


class CachePlan(msgspec.Struct, frozen=True):
    """What holds for a call."""

    ttl_seconds: float
    temperature_max: float | None
    """None: any."""
    answer_bytes_max: int


class CachePolicy:
    """The rules of the configuration."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._known: dict[tuple[str, str, Operation], CachePlan | None] = {}

    def plan(self, agent_id: str, model: str, operation: Operation) -> CachePlan | None:
        """What holds for such a call; None: no caching is configured for it."""
        asked = (agent_id, model, operation)
        if asked in self._known:
            return self._known[asked]
        if len(self._known) >= PLANS_MAX:
            self._known.clear()
        plan = self._known[asked] = self._decide(agent_id, model, operation)
        return plan

    def _decide(self, agent_id: str, model: str, operation: Operation) -> CachePlan | None:
        settings = self._settings
        enabled, ttl = settings.enabled, settings.ttl_seconds
        temperature, size = settings.temperature_max, settings.answer_bytes_max
        for rule in settings.rules:
            if (
                fnmatchcase(agent_id, rule.agent)
                and fnmatchcase(model, rule.model)
                and fnmatchcase(operation, rule.operation)
            ):
                enabled = enabled and rule.enabled
                ttl = ttl if rule.ttl_seconds is None else rule.ttl_seconds
                if rule.temperature_max is not None:
                    temperature = rule.temperature_max
                size = rule.answer_bytes_max or size
                break
        return CachePlan(ttl, temperature, size) if enabled and ttl > 0 else None
