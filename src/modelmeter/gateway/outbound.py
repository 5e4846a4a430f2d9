"""What of a request goes upstream: allowed headers, the right credential, a clean query."""

import asyncio

from modelmeter.errors import RefusedRequestError, SettingsError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.door import Door
from modelmeter.gateway.identity import Identity, credentials, strip_credentials
from modelmeter.gateway.signing import RequestSigner
from modelmeter.gateway.upstream import UpstreamRequest
from modelmeter.wire.header_rules import forwardable_request_headers

__all__ = ["PLAIN", "Outbound"]

_QUERY_BYTES = frozenset(range(0x21, 0x7F))
# The observer reads bodies as they pass, so the upstream is asked not to compress them.
PLAIN = (b"accept-encoding", b"identity")


class Outbound:
    """Builds the upstream's request; a gateway key never leaves with it."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._signers: dict[str, RequestSigner] = {}

    def endpoint(self, client: ClientSide, door: Door, path: str) -> str:
        """The method and address of ``path`` behind ``door``, without any credential."""
        query = _query(client.scope["query_string"], True)
        return f"{client.scope['method']} {door.url(path, query)}"

    def principal(self, client: ClientSide, door: Door) -> bytes:
        """What a request behind ``door`` will be authenticated with; never to be shown."""
        if door.credential is not None:
            return b"%b: %b" % door.credential
        if door.signs:
            return b"signed: %b %b" % (
                (door.aws_profile or "").encode(),
                (door.region or "").encode(),
            )
        lines = [b"%b: %b" % header for header in credentials(client.headers)]
        lines += (part for part in client.scope["query_string"].split(b"&") if _is_key(part))
        return b"\n".join(lines)

    @property
    def passes_keys(self) -> bool:
        """A caller's own provider key may go on: there are no gateway keys in its place."""
        return not self._identity.has_keys

    async def request(
        self, client: ClientSide, door: Door, path: str, body: bytes
    ) -> UpstreamRequest:
        """
        The request to send for ``path`` behind ``door``.

        Raises:
            RefusedRequestError: the query holds bytes no URL may hold, or there is no
                credential to send.
            UpstreamError: a header holds a line break.
        """
        own_credential = door.credential is not None or door.signs or self._identity.has_keys
        headers = forwardable_request_headers(client.headers)
        if own_credential:
            headers = strip_credentials(headers)
        headers.append(PLAIN)
        url = door.url(path, _query(client.scope["query_string"], own_credential))
        method = client.scope["method"]
        if door.credential is not None:
            headers.append(door.credential)
        elif door.signs:
            headers = await self.signed(door, method, url, headers, body)
        elif self._identity.has_keys:
            raise RefusedRequestError(
                f"no key for {door.provider}: set providers.{door.provider}.api_key",
                code="provider_key_missing",
                http_status=503,
            )
        return UpstreamRequest(method, url, headers, body)

    async def signed(
        self, door: Door, method: str, url: str, headers: Headers, body: bytes
    ) -> Headers:
        """
        ``headers`` with an AWS signature of the request.

        Raises:
            RefusedRequestError: there are no AWS credentials.
        """
        # Finding or refreshing AWS credentials may ask the network, so not in the event loop.
        signer = self._signers.get(door.provider)
        try:
            if signer is None:
                signer = await asyncio.to_thread(
                    RequestSigner, region=door.region or "", profile=door.aws_profile
                )
                self._signers[door.provider] = signer
            return await asyncio.to_thread(signer.sign, method, url, headers, body)
        except SettingsError as error:
            raise RefusedRequestError(
                str(error), code="provider_key_missing", http_status=503
            ) from error


def _query(query: bytes, own_credential: bool) -> bytes:
    """Google's ``key`` parameter is a credential: it goes where the caller's key goes."""
    if not query:
        return query
    if not _QUERY_BYTES.issuperset(query) or b"#" in query:
        raise RefusedRequestError(
            "the query holds characters that no URL may hold", code="invalid_path"
        )
    if not own_credential:
        return query
    return b"&".join(part for part in query.split(b"&") if not _is_key(part))


def _is_key(part: bytes) -> bool:
    return part.startswith(b"key=")
