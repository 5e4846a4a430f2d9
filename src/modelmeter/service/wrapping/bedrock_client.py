"""Meters a boto3 client of bedrock-runtime by botocore's own events."""

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError

from modelmeter.record import ErrorType
from modelmeter.service.aws_faults import error_type_of, may_be_sent
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.wrapping.meter_door import MeterDoor
from modelmeter.service.wrapping.watched_call import REFUSED, WatchedCall, refusal

__all__ = ["BedrockMeter"]

_SERVICE = "bedrock-runtime"


class _Session(Protocol):
    def send(self, request: AWSPreparedRequest) -> AWSResponse: ...


class _Raw(Protocol):
    def read(self, amt: int | None = None) -> bytes: ...

    def stream(self, *arguments: object, **options: object) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class BedrockMeter:
    """Stands between a client and its HTTP session."""

    def __init__(self, door: MeterDoor, ledger: LedgerAccess, session: _Session) -> None:
        self._door = door
        self._ledger = ledger
        self._session = session

    def before_sign(self, request: AWSRequest, **_: object) -> None:
        """Give the request the limit of output that a budget needs, before it is signed."""
        body = request.data
        if not isinstance(body, bytes):
            return
        try:
            path = urlsplit(str(request.url)).path
            asked = self._door.read(str(request.method), path, body)
            if asked is not None:
                request.data = self._ledger.run(self._door.limited(asked))
        except REFUSED:
            # `before_send` meets the same again, and answers it.
            return

    def before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        """Send a metered request and give its answer; None: botocore sends it itself."""
        body = request.body if isinstance(request.body, bytes) else b""
        try:
            asked = self._door.read(request.method, urlsplit(request.url).path, body)
            if asked is None:
                return None
            call = self._ledger.run(self._door.open(asked, None, is_signed=True))
        except REFUSED as error:
            answer = refusal(self._door.dialect, error)
            headers = HTTPHeaders()
            for name, value in answer.headers:
                headers.add_header(name.decode(), value.decode())
            return _Told(request.url, answer.http_status, headers, answer.body)
        try:
            response = self._session.send(request)
        except BotoCoreError as error:
            self._ledger.run(call.settle(error_type_of(error), sent=may_be_sent(error)))
            raise
        except BaseException:
            self._ledger.run(call.settle(ErrorType.CANCELLED))
            raise
        lines = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        call.answered(response.status_code, lines)
        if request.stream_output:
            response.raw = _WatchedRaw(response.raw, call, self._ledger)
            return response
        call.feed(response.content)
        call.end()
        self._ledger.run(call.settle(None))
        return response


class _WatchedRaw:
    """An answer's bytes on their way to botocore; its call is settled before the last of them."""

    def __init__(self, raw: _Raw, call: WatchedCall, ledger: LedgerAccess) -> None:
        self._raw = raw
        self._call = call
        self._ledger = ledger

    def stream(self, *arguments: object, **options: object) -> Iterator[bytes]:
        """All bytes as they come."""
        chunks = self._raw.stream(*arguments, **options)
        yield from self._through(chunks)

    def read(self, amt: int | None = None) -> bytes:
        """
        All bytes, or the next ``amt``.

        A body that is asked for in pieces is settled when it is over or closed.
        """
        chunk = self._raw.read(amt)
        if chunk:
            self._call.feed(chunk)
        if amt is None or not chunk:
            self._end()
        return chunk

    def close(self) -> None:
        """Whoever reads no further has left, unless the stream had come to its end."""
        self._raw.close()
        if not self._call.settled:
            failure = None if self._call.finished else ErrorType.CANCELLED
            self._ledger.run(self._call.settle(failure))

    def __getattr__(self, name: str) -> object:
        """What else botocore asks of urllib3's answers."""
        return getattr(self._raw, name)

    def _through(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for chunk in chunks:
                if out := self._call.feed(chunk):
                    yield out
                if self._call.is_cut:
                    self._raw.close()
                    break
        except GeneratorExit:
            raise
        except BaseException:
            # Whatever the HTTP client raises amid a body, the body is over.
            self._ledger.run(self._call.settle(ErrorType.CONNECTION))
            raise
        if last := self._end():
            yield last

    def _end(self) -> bytes:
        if self._call.settled:
            return b""
        last = self._call.end()
        self._ledger.run(self._call.settle(None))
        return last


class _Told(AWSResponse):
    """An answer of our own."""

    def __init__(self, url: str, status: int, headers: HTTPHeaders, body: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = body
