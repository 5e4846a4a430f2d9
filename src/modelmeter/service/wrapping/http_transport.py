"""Transports that meter what an HTTP client sends: between an SDK and the client it had."""

from collections.abc import AsyncIterator, Iterator

import httpx2

from modelmeter.errors import UpstreamError
from modelmeter.record import ErrorType
from modelmeter.service.http_faults import error_type_of, may_be_sent
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.wrapping.meter_door import AskedFor, MeterDoor
from modelmeter.service.wrapping.watched_call import REFUSED, WatchedCall, refusal

__all__ = ["AsyncMeteredTransport", "MeteredTransport"]

_RETRY_COUNT = "x-stainless-retry-count"
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_PACKING = frozenset({"content-encoding"})


class MeteredTransport(httpx2.BaseTransport):
    """Sends through ``inner``, which keeps its connections, proxies and hooks."""

    def __init__(self, inner: httpx2.Client, door: MeterDoor, ledger: LedgerAccess) -> None:
        self._inner = inner
        self._door = door
        self._ledger = ledger

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Meter one request, or pass on one that is no metered operation."""
        try:
            asked = self._door.read(request.method, request.url.path, request.read())
            if asked is None:
                return self._inner.send(request, stream=True)
            opening = self._door.open(asked, request.headers.get(_RETRY_COUNT))
            call = self._ledger.run(opening)
        except REFUSED as error:
            return _refused(self._door, error, request)
        try:
            response = self._inner.send(_outgoing(request, asked, call, self._door), stream=True)
        except httpx2.HTTPError as error:
            self._ledger.run(call.settle(error_type_of(error), sent=may_be_sent(error)))
            raise
        except BaseException:
            self._ledger.run(call.settle(ErrorType.CANCELLED))
            raise
        call.answered(response.status_code, response.headers.raw)
        return _passed_on(response, request, call, _Body(response, call, self._ledger))

    def close(self) -> None:
        """Close the client below."""
        self._inner.close()


class AsyncMeteredTransport(httpx2.AsyncBaseTransport):
    """The same for asynchronous clients."""

    def __init__(self, inner: httpx2.AsyncClient, door: MeterDoor) -> None:
        self._inner = inner
        self._door = door

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Meter one request, or pass on one that is no metered operation."""
        try:
            asked = self._door.read(request.method, request.url.path, await request.aread())
            if asked is None:
                return await self._inner.send(request, stream=True)
            call = await self._door.open(asked, request.headers.get(_RETRY_COUNT))
        except REFUSED as error:
            return _refused(self._door, error, request)
        try:
            response = await self._inner.send(
                _outgoing(request, asked, call, self._door), stream=True
            )
        except httpx2.HTTPError as error:
            await call.settle(error_type_of(error), sent=may_be_sent(error))
            raise
        except BaseException:
            await call.settle(ErrorType.CANCELLED)
            raise
        call.answered(response.status_code, response.headers.raw)
        return _passed_on(response, request, call, _AsyncBody(response, call))

    async def aclose(self) -> None:
        """Close the client below."""
        await self._inner.aclose()


class _Body(httpx2.SyncByteStream):
    """An answer's bytes; its call is settled before the last of them."""

    def __init__(self, response: httpx2.Response, call: WatchedCall, ledger: LedgerAccess) -> None:
        self._response = response
        self._call = call
        self._ledger = ledger

    def __iter__(self) -> Iterator[bytes]:
        call = self._call
        try:
            for chunk in self._response.iter_raw():
                if out := call.feed(chunk):
                    yield out
                if call.is_cut:
                    break
        except httpx2.HTTPError as error:
            self._ledger.run(call.settle(error_type_of(error)))
            raise
        except UpstreamError as error:
            self._ledger.run(call.settle(ErrorType.BAD_RESPONSE))
            raise httpx2.DecodingError(error.message) from error
        last = call.end()
        self._ledger.run(call.settle(None))
        if last:
            yield last

    def close(self) -> None:
        """Whoever reads no further has left, unless the stream had come to its end."""
        self._response.close()
        if not self._call.settled:
            failure = None if self._call.finished else ErrorType.CANCELLED
            self._ledger.run(self._call.settle(failure))


class _AsyncBody(httpx2.AsyncByteStream):
    """The same for asynchronous clients."""

    def __init__(self, response: httpx2.Response, call: WatchedCall) -> None:
        self._response = response
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        call = self._call
        try:
            async for chunk in self._response.aiter_raw():
                if out := call.feed(chunk):
                    yield out
                if call.is_cut:
                    break
        except httpx2.HTTPError as error:
            await call.settle(error_type_of(error))
            raise
        except UpstreamError as error:
            await call.settle(ErrorType.BAD_RESPONSE)
            raise httpx2.DecodingError(error.message) from error
        last = call.end()
        await call.settle(None)
        if last:
            yield last

    async def aclose(self) -> None:
        """Whoever reads no further has left, unless the stream had come to its end."""
        await self._response.aclose()
        if not self._call.settled:
            await self._call.settle(None if self._call.finished else ErrorType.CANCELLED)


def _outgoing(
    request: httpx2.Request, asked: AskedFor, call: WatchedCall, door: MeterDoor
) -> httpx2.Request:
    """The request as it is sent: not compressed on its way back, and asked for its usage."""
    url = request.url
    if call.path != asked.path:
        query = b"?" + url.query if url.query else b""
        url = url.copy_with(raw_path=f"{door.base_path}{call.path}".encode("ascii") + query)
    headers = httpx2.Headers(
        [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
    )
    headers["accept-encoding"] = "identity"
    return httpx2.Request(
        request.method,
        url,
        headers=headers,
        content=call.facts.upstream_body,
        extensions=request.extensions,
    )


def _passed_on(
    response: httpx2.Response,
    request: httpx2.Request,
    call: WatchedCall,
    body: httpx2.SyncByteStream | httpx2.AsyncByteStream,
) -> httpx2.Response:
    dropped = _FRAMING if call.is_held or call.facts.hides_usage_chunk else frozenset()
    if call.is_held:
        dropped |= _PACKING
    lines = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in dropped
    ]
    told = [(name.decode(), value.decode()) for name, value in call.told]
    return httpx2.Response(
        response.status_code,
        headers=lines + told,
        stream=body,
        request=request,
        extensions={
            name: value for name, value in response.extensions.items() if name != "network_stream"
        },
    )


def _refused(door: MeterDoor, error: Exception, request: httpx2.Request) -> httpx2.Response:
    answer = refusal(door.dialect, error)
    return httpx2.Response(
        answer.http_status, headers=answer.headers, content=answer.body, request=request
    )
