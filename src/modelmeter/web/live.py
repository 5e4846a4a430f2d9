"""The overview's figures as they change: one question a second, however many look."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

from modelmeter.errors import RefusedRequestError

__all__ = ["Live"]

_TICK_SECONDS = 1.0
_TICK_SECONDS_MAX = 1.8
"""So long may a busy ledger's figures stand still for the sake of its calls."""
_BUSY_TIMES = 25.0
"""How much longer than an answer took is waited for the next one, up to that."""
_SLOW_TIMES = 4.0
"""A question that takes very long is asked seldom: it takes a fifth of a core at most."""
_STREAM_SECONDS = 900.0
"""Then a viewer's stream ends, and its next one is looked at for a key or session that holds."""

Ask = Callable[[], Awaitable[bytes]]


class _Channel:
    """One question that some viewers share, asked while there are any."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._changed = asyncio.Condition()
        self.viewers = 0
        self.answer = b""
        self.version = 0
        self.ended = False

    async def run(self) -> None:
        """Ask until cancelled; an answer that cannot be had now is had at a later tick."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                with contextlib.suppress(RefusedRequestError):
                    await self._publish(await self._ask())
                took = loop.time() - began
                await asyncio.sleep(_pause_seconds(took))
        finally:
            # Whatever ends it, no viewer waits for an answer that never comes.
            self.ended = True
            async with self._changed:
                self._changed.notify_all()

    async def next_answer(self, seen: int) -> bool:
        """Wait for an answer behind version ``seen``; False: there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version > seen or self.ended)
        return not self.ended

    async def _publish(self, answer: bytes) -> None:
        self.answer = answer
        self.version += 1
        async with self._changed:
            self._changed.notify_all()


def _pause_seconds(took: float) -> float:
    busy = min(took * _BUSY_TIMES, _TICK_SECONDS_MAX)
    return max(_TICK_SECONDS, busy, took * _SLOW_TIMES)


class Live:
    """The channels of all viewers."""

    def __init__(self, *, viewers_max: int) -> None:
        self._viewers_max = viewers_max
        self._viewers = 0
        self._closed = False
        self._channels: dict[Hashable, tuple[_Channel, asyncio.Task[None]]] = {}

    @property
    def viewers(self) -> int:
        """How many look at this moment."""
        return self._viewers

    def follow(self, key: Hashable, ask: Ask) -> AsyncIterator[bytes]:
        """
        Answers as they change, for one viewer; viewers with equal keys share one question.

        Raises:
            RefusedRequestError: too many look already, or the server stops (503).
        """
        if self._closed or self._viewers >= self._viewers_max:
            raise RefusedRequestError(
                "too many viewers at once; the page's numbers can be asked for one by one",
                code="too_many_viewers",
                http_status=503,
                retry_after_seconds=5,
            )
        return self._follow(key, ask)

    async def close(self) -> None:
        """End all channels; their viewers' streams end with them."""
        self._closed = True
        tasks = [task for _, task in self._channels.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, key: Hashable, ask: Ask) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + _STREAM_SECONDS
        channel = self._enter(key, ask)
        seen = 0
        try:
            while loop.time() < ends and await channel.next_answer(seen):
                seen = channel.version
                yield channel.answer
        finally:
            self._leave(key, channel)

    def _enter(self, key: Hashable, ask: Ask) -> _Channel:
        known = self._channels.get(key)
        if known is None or known[0].ended:
            channel = _Channel(ask)
            self._channels[key] = channel, asyncio.create_task(channel.run())
        else:
            channel = known[0]
        self._viewers += 1
        channel.viewers += 1
        return channel

    def _leave(self, key: Hashable, channel: _Channel) -> None:
        self._viewers -= 1
        channel.viewers -= 1
        known = self._channels.get(key)
        if not channel.viewers and known is not None and known[0] is channel:
            del self._channels[key]
            known[1].cancel()
