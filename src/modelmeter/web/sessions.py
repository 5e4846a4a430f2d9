"""A viewer's session: a cookie that says which key logged in, signed, and until when."""

import hmac
from datetime import UTC, datetime

from modelmeter.settings.keys import KeyRing
from modelmeter.settings.model import KeySettings

__all__ = ["SESSION_SECONDS", "Sessions"]

SESSION_SECONDS = 12 * 3600
"""From the login on; a key that expires or is removed ends it at once."""

_PARTS = 3
_DIGITS_MAX = 12


class Sessions:
    """Makes and reads the cookie's value; nothing of a session is kept."""

    def __init__(self, secret: bytes, keys: KeyRing) -> None:
        self._secret = secret
        self._keys = keys

    def begin(self, key: KeySettings, now: datetime) -> str:
        """The value for somebody who has just shown ``key``."""
        ends_seconds = int(now.timestamp()) + SESSION_SECONDS
        return f"{key.id}.{ends_seconds}.{self._signature(key, ends_seconds)}"

    def key_of(self, value: str, now: datetime) -> KeySettings | None:
        """The key of a session that goes on; None: it is over, or was never ours."""
        parts = value.split(".")
        if len(parts) != _PARTS:
            return None
        key_id, ends, signature = parts
        if not ends.isascii() or not ends.isdigit() or len(ends) > _DIGITS_MAX:
            return None
        key = self._keys.by_id(key_id, now)
        if key is None or not signature.isascii():
            return None
        if not hmac.compare_digest(self._signature(key, int(ends)), signature):
            return None
        return key if now < datetime.fromtimestamp(int(ends), UTC) else None

    def _signature(self, key: KeySettings, ends_seconds: int) -> str:
        # With the key's hash: a new key under an old id begins without sessions.
        said = f"{key.id}.{ends_seconds}.{key.sha256}".encode()
        return hmac.new(self._secret, said, "sha256").hexdigest()
