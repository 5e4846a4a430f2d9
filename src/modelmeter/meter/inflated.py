"""
An answer that the upstream compressed although it was asked not to: read as it passes, or unpacked.

What passes stays as it came. A stream that may have to be ended early is unpacked, for there is no
place to end it in what is compressed.
"""

import msgspec

from modelmeter.errors import UpstreamError, WireError
from modelmeter.providers import AnswerHead, ResponseFacts, ResponseObserver
from modelmeter.record import ErrorType
from modelmeter.wire.inflate import CappedInflater

__all__ = ["seen_plain", "unpacked"]

_PLAIN = ("", "identity")


def seen_plain(observer: ResponseObserver, head: AnswerHead) -> ResponseObserver:
    """``observer``, behind a decompressor if the answer is compressed."""
    encoding = _encoding(head)
    return observer if encoding in _PLAIN else _InflatedObserver(observer, encoding)


def unpacked(observer: ResponseObserver, head: AnswerHead) -> ResponseObserver | None:
    """
    ``observer``, which gives out plain bytes also where the answer is compressed.

    None: nobody here reads its encoding. Compressed bytes that are none raise UpstreamError.
    """
    encoding = _encoding(head)
    if encoding in _PLAIN:
        return observer
    try:
        return _UnpackingObserver(observer, CappedInflater(encoding))
    except WireError:
        return None


def _encoding(head: AnswerHead) -> str:
    return head.header(b"content-encoding").strip().lower()


class _UnpackingObserver:
    """The caller gets what the bytes decompress to."""

    def __init__(self, inner: ResponseObserver, inflater: CappedInflater) -> None:
        self._inner = inner
        self._inflater = inflater

    @property
    def finished(self) -> bool:
        """See `ResponseObserver.finished`."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> bytes:
        """Decompress ``chunk``."""
        try:
            plain = self._inflater.feed(chunk)
        except WireError as error:
            raise UpstreamError(
                "the upstream's compressed answer cannot be read",
                error_type=ErrorType.BAD_RESPONSE,
            ) from error
        return self._inner.feed(plain)

    def end(self) -> bytes:
        """See `ResponseObserver.end`."""
        return self._inner.end()

    def facts(self) -> ResponseFacts:
        """See `ResponseObserver.facts`."""
        return self._inner.facts()


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
