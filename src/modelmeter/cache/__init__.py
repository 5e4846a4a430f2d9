"""
The response cache: equal calls of one tenant and credential are made once.

    turn = await cache.begin(CacheRequest(agent_id, model, operation, KeyParts(…), cache_control))
    if turn is None: …                        no caching is configured for this call
    elif turn.stored is not None: …           a hit: ``turn.stored.answer``
    else:                                     a miss, ``turn.miss`` says why
        try:
            …                                 make the call
            await turn.keep(CachedAnswer(…))  only a whole, good answer
        finally:
            await turn.end()
"""

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.key import CacheKey, KeyParts, cache_key
from modelmeter.cache.memory_store import MemoryStore
from modelmeter.cache.response_cache import CacheRequest, ResponseCache
from modelmeter.cache.store import CacheStore, Claim, Stored, TenantUsage
from modelmeter.cache.turn import CacheTurn

__all__ = [
    "CacheKey",
    "CacheRequest",
    "CacheStore",
    "CacheTurn",
    "CachedAnswer",
    "Claim",
    "KeyParts",
    "MemoryStore",
    "ResponseCache",
    "Stored",
    "TenantUsage",
    "cache_key",
]
