"""Who keeps trying wrong keys: counted by address, within a bound on addresses."""

import ipaddress
from collections import OrderedDict
from math import ceil

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.record import Clock

__all__ = ["WrongKeys"]

_NS = 1_000_000_000
_WINDOW_NS = 60 * _NS
_SITE_BITS = 64
"""An IPv6 peer has as many addresses as it likes below its first 64 bits (RFC 6177)."""


class _Count(msgspec.Struct):
    began_ns: int
    tries: int = 0


class WrongKeys:
    """
    Turns the answer to a wrong key from 401 into 429 for an address that tried too many.

    A right key is not asked about: many callers may share one address, such as a proxy's, and a
    key of 256 random bits is not found by trying. What is spared is the attention of whoever
    reads the log, and the work of reading bodies.
    """

    def __init__(self, clock: Clock, *, per_minute_max: int, peers_max: int) -> None:
        self._clock = clock
        self._per_minute_max = per_minute_max
        self._peers_max = peers_max
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def refusal(self, peer: str, error: RefusedRequestError) -> RefusedRequestError:
        """Count a wrong key of ``peer``, refused by ``error``; the error to answer with."""
        now_ns = self._clock.monotonic_ns()
        site = _site(peer)
        count = self._counts.get(site)
        if count is None or now_ns - count.began_ns >= _WINDOW_NS:
            self._counts.pop(site, None)
            count = self._counts[site] = _Count(now_ns)
            # The first is the one whose minute began first.
            if len(self._counts) > self._peers_max:
                self._counts.popitem(last=False)
        count.tries += 1
        if count.tries <= self._per_minute_max:
            return error
        rest_ns = count.began_ns + _WINDOW_NS - now_ns
        return RefusedRequestError(
            "too many wrong gateway keys came from this address; check the key of your programs",
            code="too_many_wrong_keys",
            http_status=429,
            retry_after_seconds=max(ceil(rest_ns / _NS), 1),
        )


def _site(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((address, _SITE_BITS), strict=False))
