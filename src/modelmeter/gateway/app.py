"""The gateway as an ASGI application: its own few paths, and the relay for all others."""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.errors import LedgerError, RefusedRequestError
from modelmeter.gateway.asgi import Receive, Scope, Send, header
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.health import Health
from modelmeter.gateway.reader_door import ReaderDoor
from modelmeter.gateway.refusals import EarlyRefusals, send_error
from modelmeter.gateway.relay import Relay, refusal_of
from modelmeter.gateway.scrape import Scrape
from modelmeter.gateway.unified import UNIFIED_PREFIX, Unified

__all__ = ["GatewayApp", "Mount"]

logger = logging.getLogger(__name__)

_READ_METHODS = frozenset({"GET", "HEAD"})


class Mount(msgspec.Struct, frozen=True):
    """Another application, for some raw paths and those that begin in certain ways."""

    paths: frozenset[bytes]
    starts: tuple[bytes, ...]
    app: Callable[[Scope, Receive, Send], Awaitable[None]]
    end_streams: Callable[[], Awaitable[None]]
    """Has its endless answers end, so that the server can stop."""


class GatewayApp:
    """Routes by the path as it came; what no route names goes to the relay."""

    def __init__(
        self,
        relay: Relay,
        unified: Unified,
        scrape: Scrape,
        health: Health,
        readers: ReaderDoor,
        refusals: EarlyRefusals,
        *,
        close_timeout_seconds: float,
        mount: Mount | None = None,
    ) -> None:
        self._close_timeout_seconds = close_timeout_seconds
        self._relay = relay
        self._unified = unified
        self._scrape = scrape
        self.health = health
        self._readers = readers
        self.refusals = refusals
        self._mount = mount
        self._own = {b"/metrics": self._metrics, **health.paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI request."""
        path = scope["raw_path"]
        mount = self._mount
        if mount is not None and (path in mount.paths or path.startswith(mount.starts)):
            await mount.app(scope, receive, send)
            return
        client = ClientSide(scope, receive, send)
        own = self._own.get(path)
        if own is None:
            door = self._unified if scope["raw_path"].startswith(UNIFIED_PREFIX) else self._relay
            await door.serve(client)
            client.close_if_cut(self._close_timeout_seconds)
        elif scope["method"] in _READ_METHODS:
            await own(client)
        else:
            await self._refuse(client, _only_read())

    async def end_streams(self) -> None:
        """Have answers end that would go on for ever."""
        if self._mount is not None:
            await self._mount.end_streams()

    async def _metrics(self, client: ClientSide) -> None:
        accept = (header(client.headers, b"accept") or b"").decode("latin-1")
        try:
            self._readers.check(client)
            body, content_type = await self._scrape.render(accept)
        except (RefusedRequestError, LedgerError) as error:
            refusal, _ = refusal_of(error)
            await self._refuse(client, refusal)
            return
        await client.answer(200, [(b"content-type", content_type.encode())], body)

    async def _refuse(self, client: ClientSide, refusal: RefusedRequestError) -> None:
        self.refusals.counts.add(refusal.refusal_code)
        await send_error(
            client,
            None,
            refusal.message,
            code=refusal.refusal_code,
            http_status=refusal.http_status,
            retry_after_seconds=refusal.retry_after_seconds,
        )


def _only_read() -> RefusedRequestError:
    return RefusedRequestError(
        "this can only be read: GET or HEAD", code="method_not_allowed", http_status=405
    )
