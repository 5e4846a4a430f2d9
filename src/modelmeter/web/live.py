"""The overview's figures as they change: one question a second, however many look."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

from modelmeter.errors import RefusedRequestError

__all__ = ["Live"]

_TICK_SECONDS = 1.0

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
        while True:
            with contextlib.suppress(RefusedRequestError):
                await self._publish(await self._ask())
            await asyncio.sleep(_TICK_SECONDS)

    async def end(self) -> None:
        """Send every viewer away."""
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


class Live:
    """The channels of all viewers."""

    def __init__(self, *, viewers_max: int) -> None:
        self._viewers_max = viewers_max
        self._viewers = 0
        self._channels: dict[Hashable, tuple[_Channel, asyncio.Task[None]]] = {}

    def follow(self, key: Hashable, ask: Ask) -> AsyncIterator[bytes]:
        """
        Answers as they change, for one viewer; viewers with equal keys share one question.

        Raises:
            RefusedRequestError: too many look already (503).
        """
        if self._viewers >= self._viewers_max:
            raise RefusedRequestError(
                "too many viewers at once; the page's numbers can be asked for one by one",
                code="too_many_viewers",
                http_status=503,
                retry_after_seconds=5,
            )
        self._viewers += 1
        return self._follow(key, ask)

    async def close(self) -> None:
        """End all channels; their viewers' streams end with them."""
        for channel, task in list(self._channels.values()):
            task.cancel()
            await channel.end()

    async def _follow(self, key: Hashable, ask: Ask) -> AsyncIterator[bytes]:
        channel = self._enter(key, ask)
        seen = 0
        try:
            while await channel.next_answer(seen):
                seen = channel.version
                yield channel.answer
        finally:
            self._leave(key, channel)

    def _enter(self, key: Hashable, ask: Ask) -> _Channel:
        if key not in self._channels:
            channel = _Channel(ask)
            self._channels[key] = channel, asyncio.create_task(channel.run())
        channel, _ = self._channels[key]
        channel.viewers += 1
        return channel

    def _leave(self, key: Hashable, channel: _Channel) -> None:
        self._viewers -= 1
        channel.viewers -= 1
        if not channel.viewers:
            _, task = self._channels.pop(key)
            task.cancel()
