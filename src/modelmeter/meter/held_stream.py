"""A stream that something can stop: it goes by in whole parts, until its hold is used up."""

from modelmeter.meter.hold_watch import HoldWatch
from modelmeter.meter.inflated import seen_plain, unpacked
from modelmeter.providers import (
    AnswerHead,
    Dialect,
    RequestFacts,
    ResponseFacts,
    ResponseObserver,
)
from modelmeter.record import CallBound

__all__ = ["HeldStream", "observe"]

_OK = 200


class HeldStream:
    """A `ResponseObserver` that gives fewer bytes than came, or unpacked ones."""

    def __init__(
        self,
        inner: ResponseObserver,
        watch: HoldWatch,
        dialect: Dialect,
        request: RequestFacts,
        head: AnswerHead,
    ) -> None:
        self.is_cut = False
        """Nothing more is to be read: what `feed` gave last has an end of its own."""
        self._inner = inner
        self._watch = watch
        self._dialect = dialect
        self._request = request
        self._head = head

    @property
    def finished(self) -> bool:
        """See `ResponseObserver.finished`."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> bytes:
        """
        Take the next bytes and give whole parts, with an end to them once the hold is used up.

        Raises:
            UpstreamError: compressed bytes cannot be unpacked.
        """
        out = self._watch.pass_on(self._inner.feed(chunk))
        if not self._inner.finished:
            facts = self._inner.facts()
            if self._watch.is_used_up(facts):
                self.is_cut = True
                out += self._dialect.final_event(self._request, self._head, facts)
        return out

    def end(self) -> bytes:
        """See `ResponseObserver.end`."""
        return self._watch.rest() + self._inner.end()

    def facts(self) -> ResponseFacts:
        """See `ResponseObserver.facts`."""
        return self._inner.facts()


def observe(
    dialect: Dialect, request: RequestFacts, head: AnswerHead, hold: CallBound | None
) -> ResponseObserver:
    """What reads an answer; a `HeldStream` where its call may use no more than ``hold``."""
    observer = dialect.observe(request, head)
    if hold is not None and request.streamed and head.http_status == _OK:
        framing = dialect.framing(head)
        plain = unpacked(observer, head)
        if framing is not None and plain is not None:
            return HeldStream(plain, HoldWatch(hold, framing), dialect, request, head)
    return seen_plain(observer, head)
