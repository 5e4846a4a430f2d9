"""Collects the answer of a call that missed the cache, and keeps it if it is whole and good."""

import msgspec

from modelmeter.cache import CachedAnswer, CacheTurn
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.upstream import UpstreamAnswer
from modelmeter.providers import RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.providers.wholeness import is_whole
from modelmeter.record import CacheMiss, Call
from modelmeter.wire.header_rules import forwardable_response_headers

__all__ = ["CACHE_HEADER", "AnswerKeeper", "header_of_miss"]

CACHE_HEADER = b"x-modelmeter-cache"

_OK = 200
_PLAIN = (None, b"", b"identity")
_BYPASSED = frozenset({CacheMiss.NO_STORE, CacheMiss.NO_CACHE, CacheMiss.TEMPERATURE})
_OF_ONE_CALL = frozenset({
    b"retry-after", b"retry-after-ms", b"x-should-retry", b"server-timing",
    b"openai-processing-ms",
})  # fmt: skip
_OF_ONE_CALL_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


def header_of_miss(miss: CacheMiss | None) -> tuple[bytes, bytes]:
    """What the caller of a call that the cache did not answer is told."""
    return CACHE_HEADER, b"bypass" if miss in _BYPASSED else b"miss"


class AnswerKeeper:
    """Sees one answer as its caller gets it."""

    def __init__(self, turn: CacheTurn, facts: RequestFacts) -> None:
        self._turn = turn
        self._facts = facts
        self._kept: _KeptAnswer | None = None
        self.header = header_of_miss(turn.miss)
        """What the caller is told."""

    def watch(self, observer: ResponseObserver, answer: UpstreamAnswer) -> ResponseObserver:
        """``observer``, behind which the answer is collected if it may be kept."""
        if not self._turn.bytes_max or answer.status != _OK:
            return observer
        # The upstream was asked not to compress: what it packed is of no use to other callers.
        if header(answer.headers, b"content-encoding") not in _PLAIN:
            return observer
        self._kept = _KeptAnswer(observer, _headers(answer), self._turn.bytes_max)
        return self._kept

    async def conclude(self, entry: Call | None) -> None:
        """The exchange is over: the call's entry, if its caller got the whole answer."""
        if entry is None:
            await self._turn.end()
            return
        answer = None if self._kept is None else self._whole(self._kept, entry)
        if answer is None:
            await self._turn.keep_nothing()
        else:
            await self._turn.keep(answer)

    def _whole(self, kept: "_KeptAnswer", entry: Call) -> CachedAnswer | None:
        body, facts = kept.body(), kept.facts()
        if body is None or not facts.ended or not is_whole(self._facts.operation, body):
            return None
        # Where the provider reported no usage, a hit saves what the entry estimates.
        facts = msgspec.structs.replace(facts, tokens=entry.tokens)
        return CachedAnswer(
            body=body, facts=facts, headers=kept.headers, streamed=self._facts.streamed
        )


class _KeptAnswer:
    """A `ResponseObserver` that remembers what the one inside gives out."""

    def __init__(self, inner: ResponseObserver, headers: Headers, bytes_max: int) -> None:
        self.headers = headers
        self._inner = inner
        self._bytes_max = bytes_max
        self._bytes = 0
        self._parts: list[bytes] | None = []

    @property
    def finished(self) -> bool:
        """See `ResponseObserver.finished`."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> bytes:
        """See `ResponseObserver.feed`."""
        return self._remember(self._inner.feed(chunk))

    def end(self) -> bytes:
        """See `ResponseObserver.end`."""
        return self._remember(self._inner.end())

    def facts(self) -> ResponseFacts:
        """See `ResponseObserver.facts`."""
        return self._inner.facts()

    def body(self) -> bytes | None:
        """All that was given out; None if that was too much."""
        return None if self._parts is None else b"".join(self._parts)

    def _remember(self, out: bytes) -> bytes:
        self._bytes += len(out)
        if self._bytes > self._bytes_max:
            self._parts = None
        elif self._parts is not None and out:
            self._parts.append(out)
        return out


def _headers(answer: UpstreamAnswer) -> Headers:
    return [
        (name, value)
        for name, value in forwardable_response_headers(answer.headers)
        if name not in _OF_ONE_CALL and not name.startswith(_OF_ONE_CALL_PREFIXES)
    ]
