"""Stands before every path of the web side: who may look, decided on the path as it came."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modelmeter.errors import RefusedRequestError
from modelmeter.record import Clock
from modelmeter.settings.keys import KeyRing
from modelmeter.settings.model import KeySettings
from modelmeter.web.access import VIEWER_KEY, Viewer
from modelmeter.web.failures import refusal_response
from modelmeter.web.sessions import Sessions
from modelmeter.wire.host_header import require_own_name

__all__ = ["SESSION_COOKIE", "Guard", "WrongKey"]

SESSION_COOKIE = "modelmeter_session"

WrongKey = Callable[[str, RefusedRequestError], RefusedRequestError]
"""Counts a wrong key of an address; the error to answer with."""

_EVERYTHING = Viewer()
_PUBLIC_PATHS = frozenset({"/login", "/api/v1/login", "/api/v1/logout"})
_PUBLIC_STARTS = ("/assets/",)
"""What the page is made of, the same for everybody; its numbers come from the API."""
_FOR_PROGRAMS = ("/api/", "/openapi.json")
_BEARER = "bearer "
_KEY_PREFIX = "mm-"
_KEY_LENGTH_MAX = 512
_QUERY_KEPT_BYTES_MAX = 2048
"""Of an address to come back to; a longer query, quoted, would make too long an address itself."""


class Guard:
    """Lets through whoever may read; without keys that is everybody on this machine."""

    def __init__(
        self,
        keys: KeyRing,
        sessions: Sessions,
        clock: Clock,
        wrong_key: WrongKey,
        count_refusal: Callable[[str], None],
    ) -> None:
        """``count_refusal`` is told the code of every refusal."""
        self.keys = keys
        self.count_refusal = count_refusal
        self._sessions = sessions
        self._clock = clock
        self._wrong_key = wrong_key

    def around(self, app: ASGIApp) -> ASGIApp:
        """``app`` behind this guard."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                refusal = self._admit(scope)
            except RefusedRequestError as error:
                self.count_refusal(error.refusal_code)
                refusal = refusal_response(error)
            if refusal is not None:
                await refusal(scope, receive, send)
            else:
                await app(scope, receive, send)

        return guarded

    def log_in(self, secret: str, peer: str) -> str:
        """
        The cookie of a new session for whoever knows a key.

        Raises:
            RefusedRequestError: it is no key (401), too many were tried (429), or the key may
                not read (403).
        """
        now = self._now()
        key = self._keys_own(secret, now)
        if key is None:
            raise self._wrong_key(peer, _no_key())
        _check_scope(key)
        return self._sessions.begin(key, now)

    def _admit(self, scope: Scope) -> Response | None:
        """Who looks goes into the scope; else the answer that says no."""
        headers = Headers(scope=scope)
        if not self.keys:
            require_own_name(headers.get("host", ""), shown="the page answers")
            scope[VIEWER_KEY] = _EVERYTHING
            return None
        path: str = scope["path"]
        if path in _PUBLIC_PATHS or path.startswith(_PUBLIC_STARTS):
            return None
        key = self._key(headers, scope)
        if key is not None:
            _check_scope(key)
            scope[VIEWER_KEY] = Viewer(key.tenant_id or None)
            return None
        if path.startswith(_FOR_PROGRAMS):
            raise _no_key()
        return RedirectResponse(f"/login{_and_back(path, scope['query_string'])}", 303)

    def _key(self, headers: Headers, scope: Scope) -> KeySettings | None:
        now = self._now()
        secret = _shown_key(headers)
        if secret is not None:
            key = self._keys_own(secret, now)
            if key is None:
                raise self._wrong_key(peer_of(scope), _no_key())
            return key
        session = _cookie(headers.getlist("cookie"))
        return None if session is None else self._sessions.key_of(session, now)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)

    def _keys_own(self, secret: str, now: datetime) -> KeySettings | None:
        if len(secret) > _KEY_LENGTH_MAX:
            return None
        return self.keys.by_secret(secret.encode("utf-8", "surrogateescape"), now)


def peer_of(scope: Scope) -> str:
    """The address that asks; empty if the socket has none."""
    client = scope.get("client")
    return client[0] if client else ""


def _shown_key(headers: Headers) -> str | None:
    own = headers.get("x-modelmeter-key")
    if own is not None:
        return own
    said = headers.get("authorization", "")
    bare = said[len(_BEARER) :] if said[: len(_BEARER)].lower() == _BEARER else said
    return bare if bare.startswith(_KEY_PREFIX) else None


def _cookie(lines: Sequence[str]) -> str | None:
    for line in lines:
        try:
            morsel = SimpleCookie(line).get(SESSION_COOKIE)
        except CookieError:
            continue
        if morsel is not None:
            return morsel.value
    return None


def _check_scope(key: KeySettings) -> None:
    if "read" not in key.scopes:
        raise RefusedRequestError(
            "this gateway key may not read; it needs the scope `read`",
            code="key_scope",
            http_status=403,
        )


def _no_key() -> RefusedRequestError:
    return RefusedRequestError(
        "a valid gateway key (mm-…) with the scope `read` is needed",
        code="invalid_gateway_key",
        http_status=401,
    )


def _and_back(path: str, query: bytes) -> str:
    """What the login is told of the address that was asked for; nothing of the overview."""
    # A doubled slash would be another machine's name.
    if path.startswith("//"):
        return ""
    address = quote(path)
    if query and len(query) <= _QUERY_KEPT_BYTES_MAX:
        address += f"?{query.decode('latin-1')}"
    return "" if address == "/" else f"?next={quote(address)}"
