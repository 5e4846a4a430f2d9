"""Opens the store of a configuration."""

from modelmeter.cache.memory_store import MemoryStore
from modelmeter.cache.store import CacheStore
from modelmeter.errors import SettingsError
from modelmeter.record import Clock
from modelmeter.settings.cache import CacheSettings

__all__ = ["open_store"]


def open_store(settings: CacheSettings, clock: Clock) -> CacheStore:
    """
    The store; a Redis is connected to when it is first asked.

    Raises:
        SettingsError: a Redis is configured, but its client is not installed.
    """
    if settings.in_memory:
        return MemoryStore(bytes_max=settings.bytes_max, clock=clock)
    try:
        from modelmeter.cache.redis_store import RedisStore
    except ImportError as error:
        raise SettingsError(
            "cache.store names a Redis, for which `pip install modelmeter[redis]` is needed"
        ) from error
    return RedisStore(
        settings.store.get_secret_value(), timeout_seconds=settings.store_timeout_seconds
    )
