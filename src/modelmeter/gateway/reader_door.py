"""Who may read what the gateway shows of itself."""

from datetime import UTC, datetime

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.identity import INVALID_KEY_CODE, Identity
from modelmeter.gateway.wrong_keys import WrongKeys
from modelmeter.record import Clock

__all__ = ["ReaderDoor"]

_NS = 1_000_000_000


class ReaderDoor:
    """Open without keys; else for keys that may read everybody's numbers."""

    def __init__(self, identity: Identity, wrong_keys: WrongKeys, clock: Clock) -> None:
        self._identity = identity
        self._wrong_keys = wrong_keys
        self._clock = clock

    def refusal(self, client: ClientSide) -> RefusedRequestError | None:
        """Why a request may not read; None: it may."""
        now_ns = self._clock.time_ns()
        try:
            self._identity.check_reader(client.headers, datetime.fromtimestamp(now_ns / _NS, UTC))
        except RefusedRequestError as error:
            if error.refusal_code != INVALID_KEY_CODE:
                return error
            return self._wrong_keys.refusal(client.peer, error, now_ns)
        return None
