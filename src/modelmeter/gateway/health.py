"""Whether the gateway lives and can record calls: for whoever decides to restart it."""

import msgspec

from modelmeter.errors import LedgerError
from modelmeter.gateway.asgi import Receive, Scope, Send
from modelmeter.gateway.client_side import ClientSide
from modelmeter.ledger import Ledger

__all__ = ["Health", "answer_json"]

_JSON = (b"content-type", b"application/json")


async def answer_json(client: ClientSide, status: int, value: object) -> None:
    """Answer with a value as JSON."""
    await client.answer(status, [_JSON], msgspec.json.encode(value))


class Health:
    """
    ``/healthz`` and ``/readyz``, and as an application of its own nothing else.

    On an address of its own it answers also when the gateway has all the connections it takes.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.paths = {b"/healthz": self._alive, b"/readyz": self._ready}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI request."""
        client = ClientSide(scope, receive, send)
        own = self.paths.get(scope["raw_path"])
        if own is None or scope["method"] not in ("GET", "HEAD"):
            await answer_json(client, 404, {"error": {"code": "not_found"}})
        else:
            await own(client)

    async def _alive(self, client: ClientSide) -> None:
        await answer_json(client, 200, {"status": "alive"})

    async def _ready(self, client: ClientSide) -> None:
        try:
            await self._ledger.probe()
        except LedgerError as error:
            await answer_json(client, 503, {"status": "unready", "reason": str(error)})
        else:
            await answer_json(client, 200, {"status": "ready"})
