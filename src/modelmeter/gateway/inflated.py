"""Observes an answer that the upstream compressed although it was asked not to."""

import msgspec

from modelmeter.errors import WireError
from modelmeter.gateway.asgi import Headers, header
from modelmeter.providers import ResponseFacts, ResponseObserver
from modelmeter.record import ErrorType
from modelmeter.wire.inflate import CappedInflater

__all__ = ["seen_plain"]

_PLAIN = (b"", b"identity")


def seen_plain(observer: ResponseObserver, headers: Headers) -> ResponseObserver:
    """``observer``, behind a decompressor if the answer with ``headers`` is compressed."""
    encoding = header(headers, b"content-encoding") or b""
    if encoding.strip().lower() in _PLAIN:
        return observer
    return _InflatedObserver(observer, encoding.decode("latin-1"))


class _InflatedObserver:
    """The caller gets the compressed bytes as they came; the observer inside sees plain ones."""

    def __init__(self, inner: ResponseObserver, encoding: str) -> None:
        self._inner = inner
        self._note: str | None = None
        self._broken = False
        self._inflater: CappedInflater | None = None
        try:
            self._inflater = CappedInflater(encoding)
        except WireError as error:
            self._note = str(error)

    @property
    def finished(self) -> bool:
        """Whether the end mark inside went by."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> bytes:
        """Show the observer what ``chunk`` decompresses to; give ``chunk`` back."""
        if self._inflater is not None:
            try:
                self._inner.feed(self._inflater.feed(chunk))
            except WireError as error:
                self._inflater = None
                self._broken = True
                self._note = str(error)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        self._inner.end()
        return b""

    def facts(self) -> ResponseFacts:
        """What was understood; an encoding that nobody here reads is no fault of the answer."""
        facts = self._inner.facts()
        if self._broken:
            return msgspec.structs.replace(
                facts, error_type=ErrorType.BAD_RESPONSE, note=self._note
            )
        if self._note is not None:
            return ResponseFacts(note=self._note, error_type=None)
        return facts
