"""The table ``[cache]``: whether, where and for how long answers are kept."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

__all__ = ["MEMORY", "REDIS_SCHEMES", "CacheRule", "CacheSettings"]

MEMORY = "memory"
REDIS_SCHEMES = (
    "redis",
    "rediss",
    "redis+cluster",
    "rediss+cluster",
    "valkey",
    "valkeys",
    "unix",
)
"""``rediss`` and ``valkeys`` are TLS; Valkey and ElastiCache speak the same protocol."""

_MIB = 1024 * 1024

Glob = Annotated[str, Field(min_length=1, max_length=2048)]
Ttl = Annotated[float, Field(ge=0, le=31_536_000)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Bytes = Annotated[int, Field(ge=1024, le=64 * 1024 * _MIB)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CacheRule(_Table):
    """An entry of ``[[cache.rules]]``: the first that fits a call holds for it."""

    agent: Glob = "*"
    model: Glob = "*"
    operation: Glob = "*"
    enabled: bool = True
    ttl_seconds: Ttl | None = None
    """None: that of ``[cache]``."""
    temperature_max: Temperature | None = None
    """None: that of ``[cache]``."""
    answer_bytes_max: Bytes | None = None
    """None: that of ``[cache]``."""


class CacheSettings(_Table):
    """The table ``[cache]``."""

    enabled: bool = False
    ttl_seconds: Ttl = 3600
    """How long an answer is good; 0: none is kept."""
    temperature_max: Temperature | None = None
    """Requests above it are not answered from the cache; a request without one counts as 1."""
    store: SecretStr = SecretStr(MEMORY)
    """``memory``, or the URL of a Redis; with a password only by reference or environment."""
    bytes_max: Bytes = 64 * _MIB
    """Of each process' memory store. A Redis bounds itself by its ``maxmemory``."""
    answer_bytes_max: Bytes = 2 * _MIB
    """A longer answer is not kept."""
    follow_seconds: Annotated[float, Field(gt=0, le=3600)] = 120
    """How long after its start a call is waited for by equal ones; then they are made as well."""
    store_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    """A Redis that takes longer counts as down."""
    rules: tuple[CacheRule, ...] = ()

    @property
    def in_memory(self) -> bool:
        """Answers are kept by each process for itself."""
        return self.store.get_secret_value() == MEMORY

    @field_validator("store")
    @classmethod
    def _memory_or_redis(cls, value: SecretStr) -> SecretStr:
        store = value.get_secret_value()
        if store == MEMORY:
            return value
        parts = urlsplit(store)
        if parts.scheme not in REDIS_SCHEMES or not (parts.hostname or parts.path):
            raise ValueError(f'give "memory", or a URL that begins with {", ".join(REDIS_SCHEMES)}')
        return value

    @model_validator(mode="after")
    def _one_answer_fits(self) -> Self:
        sizes = [self.answer_bytes_max, *(rule.answer_bytes_max or 0 for rule in self.rules)]
        if max(sizes) > self.bytes_max:
            raise ValueError("answer_bytes_max is larger than bytes_max")
        return self
