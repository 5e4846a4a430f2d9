"""Identifiers of calls: UUID version 7 (RFC 9562), so that they sort by time."""

import os
from random import Random

__all__ = ["new_call_id"]

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = 74
_LOW_62 = (1 << 62) - 1

# Ids must be unique, not secret: a generator seeded by the system saves a system call an id.
_random = Random(os.urandom(32))  # noqa: S311 - not secret, see above
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def new_call_id(time_ns: int) -> str:
    """
    Make an identifier for a call that starts at ``time_ns`` (UTC, since 1970).

    Millisecond time in front, 74 random bits behind: unique without asking anybody.
    """
    random = _random.getrandbits(_RANDOM_BITS)
    milliseconds = (time_ns // 1_000_000) & 0xFFFF_FFFF_FFFF
    value = (milliseconds << 80) | _VERSION | (random >> 62) << 64 | _VARIANT | (random & _LOW_62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
