"""The web side, loaded when somebody looks for the first time: until then it costs nothing."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.session_secret import session_secret
from modelmeter.pricing import PriceBook
from modelmeter.record import Clock
from modelmeter.settings.keys import KeyRing
from modelmeter.settings.model import Settings

if TYPE_CHECKING:
    from modelmeter.web.live import Live
    from modelmeter.web.reading import LedgerReading

__all__ = ["WEB_PATHS", "WEB_PATH_STARTS", "WebMount", "WebParts"]

WEB_PATHS = frozenset({b"/", b"/breakdown", b"/calls", b"/budgets", b"/advice", b"/login"})
"""The raw paths that are the web side's, each as a whole."""
WEB_PATH_STARTS = (b"/api/", b"/assets/", b"/calls/", b"/openapi.json", b"/docs")
"""How other raw paths begin that are the web side's."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class WebParts(msgspec.Struct, frozen=True):
    """What the web side is put together from."""

    settings: Settings
    ledger_path: Path
    prices: PriceBook
    clock: Clock
    wrong_key: Callable[[str, RefusedRequestError], RefusedRequestError]
    """Counts a wrong key of an address; the error to answer with."""
    count_refusal: Callable[[str], None]
    """Counts a refusal by its code."""


class WebMount:
    """An ASGI application that becomes what it is at its first request."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._loading = asyncio.Lock()
        self._app: App | None = None
        self._live: Live | None = None
        self._reading: LedgerReading | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI request."""
        app = self._app
        if app is None:
            async with self._loading:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._load)
                app = self._app
        await app(scope, receive, send)

    async def end_streams(self) -> None:
        """Let every viewer's stream come to its end, so that a server can stop."""
        if self._live is not None:
            await self._live.close()

    async def close(self) -> None:
        """Release the ledger."""
        await self.end_streams()
        if self._reading is not None:
            await asyncio.to_thread(self._reading.close)

    def _load(self) -> App:
        # The framework takes longer to import than all the rest of a gateway.
        from modelmeter.web.api_parts import ApiParts
        from modelmeter.web.app import web_app
        from modelmeter.web.guard import Guard
        from modelmeter.web.live import Live
        from modelmeter.web.reading import LedgerReading
        from modelmeter.web.sessions import Sessions

        keys = KeyRing(self._parts.settings.keys)
        with closing(connect_reader(self._parts.ledger_path)) as connection:
            secret = session_secret(connection)
        limits = self._parts.settings.limits
        self._reading = LedgerReading(
            self._parts.ledger_path,
            at_once_max=limits.queries_at_once_max,
            waiting_max=limits.queries_waiting_max,
            timeout_seconds=limits.query_timeout_seconds,
        )
        self._live = Live(viewers_max=limits.viewers_max)
        return web_app(
            ApiParts(
                reading=self._reading,
                live=self._live,
                prices=self._parts.prices,
                clock=self._parts.clock,
                time_zone=self._parts.settings.time_zone,
            ),
            Guard(
                keys,
                Sessions(secret, keys),
                self._parts.clock,
                self._parts.wrong_key,
                self._parts.count_refusal,
            ),
            body_timeout_seconds=limits.body_timeout_seconds,
        )
