"""The way to the providers: one pooled HTTP client, behind a seam of three methods."""

import asyncio
import ssl
from typing import Protocol

import aiohttp
from yarl import URL

from modelmeter.errors import UpstreamError
from modelmeter.gateway.asgi import Headers
from modelmeter.record import ErrorType
from modelmeter.settings.limits import Limits

__all__ = ["Upstream", "UpstreamAnswer", "UpstreamClient"]

_READ_BUFFER_BYTES = 64 * 1024
_KEEP_ALIVE_SECONDS = 15.0
"""Idle connections are given up before the provider does it, so that few requests meet a close."""


class UpstreamAnswer(Protocol):
    """An answer whose status and headers have arrived."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """
        The next bytes of the body as they came; empty at its end.

        Raises:
            UpstreamError: the connection broke off.
        """
        ...

    def close(self) -> None:
        """Give the connection back, or up if the body was not read to its end."""
        ...


class Upstream(Protocol):
    """Where requests are sent on."""

    async def send(self, method: str, url: str, headers: Headers, body: bytes) -> UpstreamAnswer:
        """
        Send a request and wait for the answer's headers.

        Raises:
            UpstreamError: no answer; ``error_type`` is ``connection``, ``sent`` says whether
                the request may have arrived.
        """
        ...


class _Answer:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]
        self._response = response

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError(
                f"the upstream broke off its answer ({type(error).__name__})",
                error_type=ErrorType.CONNECTION,
            ) from error

    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class UpstreamClient:
    """
    Requests over pooled connections, to configured addresses only.

    No redirect is followed, no proxy or credential is taken from the environment, no cookie is
    kept, and a body passes as it came.
    """

    def __init__(self, limits: Limits) -> None:
        self._connector = aiohttp.TCPConnector(
            limit=limits.upstream_connections_max,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            ttl_dns_cache=60,
            ssl=ssl.create_default_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER_BYTES,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=limits.upstream_connect_timeout_seconds
            ),
            skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            max_field_size=limits.header_bytes_max,
            max_line_size=limits.target_bytes_max,
            trust_env=False,
        )

    async def send(self, method: str, url: str, headers: Headers, body: bytes) -> UpstreamAnswer:
        """Send a request; see `Upstream`."""
        try:
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                headers=[
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
                ],
                data=body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamError(
                f"the upstream cannot be reached ({type(error).__name__})",
                error_type=ErrorType.CONNECTION,
                sent=False,
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError(
                f"the upstream gave no answer ({type(error).__name__})",
                error_type=ErrorType.CONNECTION,
            ) from error
        return _Answer(response)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        # Closing TLS connections takes the event loop's next turns.
        await asyncio.sleep(0)
