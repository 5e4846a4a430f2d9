"""What a client says about the cache in its ``Cache-Control`` header."""

import msgspec

__all__ = ["NO_WISH", "ClientWish", "client_wish"]

_SECONDS_MAX = 2**31
"""https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2"""


class ClientWish(msgspec.Struct, frozen=True):
    """Those request directives of RFC 9111, section 5.2.1, that are honoured here."""

    no_cache: bool = False
    """A fresh answer is wanted; it may be stored."""
    no_store: bool = False
    """Neither answer from the cache nor keep the answer."""
    max_age_seconds: int | None = None
    """No stored answer older than this."""


NO_WISH = ClientWish()


def client_wish(cache_control: bytes | None) -> ClientWish:
    """The wish in a header's value; what is not understood is no wish."""
    if not cache_control:
        return NO_WISH
    no_cache = no_store = False
    max_age: int | None = None
    for directive in cache_control.lower().split(b","):
        name, _, value = (part.strip() for part in directive.partition(b"="))
        if name == b"no-cache":
            no_cache = True
        elif name == b"no-store":
            no_store = True
        elif name == b"max-age":
            # A client that gives no usable age wants the freshest answer there is.
            age = _seconds(value.strip(b'"'))
            max_age = age if max_age is None else min(age, max_age)
    return ClientWish(no_cache, no_store, max_age)


def _seconds(text: bytes) -> int:
    if not text.isdigit():
        return 0
    return _SECONDS_MAX if len(text) > len(str(_SECONDS_MAX)) else min(int(text), _SECONDS_MAX)
