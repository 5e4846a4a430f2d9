"""Sends the unified API's requests through the gateway's own client, each with its credential."""

from collections.abc import Mapping

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.door import Door
from modelmeter.gateway.identity import GATEWAY_KEY_PREFIX, strip_credentials
from modelmeter.gateway.outbound import PLAIN, Outbound
from modelmeter.gateway.upstream import Upstream, UpstreamAnswer, UpstreamRequest
from modelmeter.service.routes import Target
from modelmeter.service.wire_request import WireRequest
from modelmeter.wire.header_rules import forwardable_request_headers

__all__ = ["UnifiedSender"]

_BEARER = b"bearer "
_JSON: Headers = [(b"content-type", b"application/json"), (b"accept", b"*/*")]
_TRACING = frozenset({b"traceparent", b"tracestate"})
_ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")


class UnifiedSender:
    """
    The sender of one request; see `Sender`.

    A caller's own key goes to one provider only, the one its model names: never on to the next
    when that one fails, for it was not meant for that.
    """

    def __init__(
        self,
        client: ClientSide,
        doors: Mapping[str, Door],
        outbound: Outbound,
        upstream: Upstream,
        *,
        passes_key: bool,
    ) -> None:
        """``doors`` by provider; ``passes_key``: the model names its provider itself."""
        self._client = client
        self._doors = doors
        self._outbound = outbound
        self._upstream = upstream
        self._key = _callers_key(client.headers) if passes_key else None

    @property
    def principal(self) -> bytes:
        """Whose credentials are used: the caller's own, or the operator's."""
        return b"operator" if self._key is None else b"caller " + self._key

    async def prepare(self, target: Target) -> None:
        """See `Sender.prepare`."""
        door = self._doors[target.provider]
        if door.credential is None and not door.signs and self._key is None:
            raise RefusedRequestError(
                f"no key for {door.provider}: set providers.{door.provider}.api_key",
                code="provider_key_missing",
                http_status=503,
            )

    async def send(self, target: Target, request: WireRequest) -> UpstreamAnswer:
        """See `Sender.send`."""
        door = self._doors[target.provider]
        path, _, query = request.path.partition("?")
        url = door.url(path, query.encode())
        headers = [*self._headers(request), PLAIN]
        if door.kind == "anthropic":
            headers.append(_ANTHROPIC_VERSION)
        if door.credential is not None:
            headers.append(door.credential)
        elif door.signs:
            headers = await self._outbound.signed(door, "POST", url, headers, request.body)
        elif self._key is not None:
            headers.append(door.credential_header(self._key))
        return await self._upstream.send(UpstreamRequest("POST", url, headers, request.body))

    def _headers(self, request: WireRequest) -> Headers:
        """A provider that speaks OpenAI's dialect gets the caller's headers for it."""
        given = strip_credentials(forwardable_request_headers(self._client.headers))
        if request.passes:
            return given
        return [*_JSON, *(line for line in given if line[0] in _TRACING)]


def _callers_key(headers: Headers) -> bytes | None:
    value = header(headers, b"authorization")
    if value is None or value[: len(_BEARER)].lower() != _BEARER:
        return None
    key = value[len(_BEARER) :].strip()
    return None if not key or key.startswith(GATEWAY_KEY_PREFIX) else key
