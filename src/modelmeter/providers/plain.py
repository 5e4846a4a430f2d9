"""Observes answers that are one body: kept as it goes by, and read once, at its end."""

from collections.abc import Callable

import msgspec

from modelmeter.providers.bodies import UNREADABLE, BodyCollector
from modelmeter.providers.contract import ResponseFacts
from modelmeter.record import ErrorType

__all__ = ["PlainObserver", "unread_facts"]

_HTTP_ERROR = 400
_any_decoder = msgspec.json.Decoder(msgspec.Raw)


class PlainObserver:
    """
    One JSON object; what it says is the dialect's to tell.

    ``read`` gives the facts of a whole body with a good status, ``error_type`` the kind of error
    of one with a status of 400 or more.
    """

    def __init__(
        self,
        http_status: int,
        read: Callable[[bytes], ResponseFacts],
        error_type: Callable[[int, bytes], ErrorType],
    ) -> None:
        self._http_status = http_status
        self._read = read
        self._error_type = error_type
        self._collector = BodyCollector()
        self._ended = False

    @property
    def finished(self) -> bool:
        """A plain body has no end mark of its own."""
        return False

    def feed(self, chunk: bytes) -> bytes:
        """Keep ``chunk`` and give it back."""
        self._collector.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        self._ended = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the body says; one that broke off is no fault of its format."""
        body = self._collector.body()
        if self._http_status >= _HTTP_ERROR:
            kind = self._error_type(self._http_status, body or b"")
            return ResponseFacts(ended=self._ended, error_type=kind)
        if body is None:
            return ResponseFacts(
                ended=self._ended,
                output_characters=self._collector.size,
                note="the answer was too large to be read",
            )
        facts = self._read(body)
        if not self._ended:
            return msgspec.structs.replace(facts, ended=False, error_type=None)
        return facts


def unread_facts(body: bytes) -> ResponseFacts:
    """The facts of a whole body that is not what was expected; all of it counts as written."""
    try:
        _any_decoder.decode(body)
    except UNREADABLE:
        return ResponseFacts(
            error_type=ErrorType.BAD_RESPONSE,
            output_characters=len(body),
            note="the answer is not JSON",
        )
    return ResponseFacts(
        ended=True, output_characters=len(body), note="the answer has a shape that is not known"
    )
