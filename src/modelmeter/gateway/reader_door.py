"""Who may read what the gateway shows of itself."""

from datetime import UTC, datetime

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.asgi import header
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.identity import INVALID_KEY_CODE, Identity
from modelmeter.gateway.wrong_keys import WrongKeys
from modelmeter.record import Clock
from modelmeter.wire.host_header import require_own_name

__all__ = ["ReaderDoor"]

_NS = 1_000_000_000


class ReaderDoor:
    """Open on this machine without keys; else for keys that may read everybody's numbers."""

    def __init__(self, identity: Identity, wrong_keys: WrongKeys, clock: Clock) -> None:
        self._identity = identity
        self._wrong_keys = wrong_keys
        self._clock = clock

    def check(self, client: ClientSide) -> None:
        """
        Let through who may read.

        Raises:
            RefusedRequestError: it may not.
        """
        if not self._identity.has_keys:
            host = header(client.headers, b"host") or b""
            require_own_name(host.decode("latin-1"), shown="metrics are shown")
            return
        now = datetime.fromtimestamp(self._clock.time_ns() / _NS, UTC)
        try:
            self._identity.check_reader(client.headers, now)
        except RefusedRequestError as error:
            if error.refusal_code != INVALID_KEY_CODE:
                raise
            raise self._wrong_keys.refusal(client.peer, error) from error
