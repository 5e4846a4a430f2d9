"""The platform's cache of answers."""

from modelmeter.service.cache_manager import CacheManager

__all__ = ["CacheManager"]
