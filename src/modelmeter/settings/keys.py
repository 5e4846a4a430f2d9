"""Gateway keys: found by their public id, compared by their hash."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from modelmeter.settings.model import KeySettings

__all__ = ["KeyRing"]

_NO_DIGEST = "0" * 64
_PARTS = 3


class KeyRing:
    """The configured keys."""

    def __init__(self, keys: Iterable[KeySettings]) -> None:
        self._keys = {key.id: key for key in keys}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def by_id(self, key_id: str, now: datetime) -> KeySettings | None:
        """The key with a public id, unless it has expired."""
        key = self._keys.get(key_id)
        return None if key is None or _expired(key, now) else key

    def by_secret(self, secret: bytes, now: datetime) -> KeySettings | None:
        """The key that ``mm-<id>-<secret>`` is, unless it has expired."""
        parts = secret.split(b"-", _PARTS - 1)
        public_id = parts[1].decode("ascii", "replace") if len(parts) == _PARTS else ""
        key = self._keys.get(public_id)
        # An unknown id costs the same comparison as a known one with a wrong secret.
        expected = _NO_DIGEST if key is None else key.sha256
        matches = hmac.compare_digest(hashlib.sha256(secret).hexdigest(), expected)
        return None if key is None or not matches or _expired(key, now) else key


def _expired(key: KeySettings, now: datetime) -> bool:
    return key.expires_at is not None and now >= key.expires_at
