"""One call's turn with the cache: its answer from there, or the duty to tell what became of it."""

from collections.abc import Awaitable, Callable

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.store import Stored
from modelmeter.record import CacheMiss

__all__ = ["CacheTurn", "Conclusion"]

Conclusion = Callable[[CachedAnswer | None, bool], Awaitable[None]]
"""What a turn ends with: the answer to keep, and whether the call came to its proper end."""


class CacheTurn:
    """
    A call for which caching is configured: a hit, or a miss.

    After a miss the call is made; then `keep`, if its answer is whole and good, and in any case
    `end`: others may be waiting for it.
    """

    def __init__(
        self,
        *,
        stored: Stored | None = None,
        miss: CacheMiss | None = None,
        conclude: Conclusion | None = None,
        abandon: Callable[[], None] | None = None,
        bytes_max: int = 0,
    ) -> None:
        self.stored = stored
        """The answer of a hit."""
        self.miss = miss
        """Why it is a miss; None: it is a hit."""
        self.bytes_max = bytes_max
        """The longest body that is worth being collected; 0: no answer is kept."""
        self._conclude = conclude
        self._abandon = abandon

    async def keep(self, answer: CachedAnswer) -> None:
        """Keep the call's answer, and give it to those who wait."""
        await self._end_with(answer, well=True)

    async def keep_nothing(self) -> None:
        """The call came to its end, but its answer is not for others: those who wait go on."""
        await self._end_with(None, well=True)

    async def end(self) -> None:
        """The call is over; if nothing was said of its answer, it failed."""
        await self._end_with(None, well=False)

    def __del__(self) -> None:
        """A turn that nobody ended must not hold up those who wait for it."""
        if self._conclude is not None and self._abandon is not None:
            self._abandon()

    async def _end_with(self, answer: CachedAnswer | None, *, well: bool) -> None:
        conclude, self._conclude = self._conclude, None
        if conclude is not None:
            await conclude(answer, well)
