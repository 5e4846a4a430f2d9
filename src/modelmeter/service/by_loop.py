"""Things of which each event loop of a process has its own."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

__all__ = ["ByLoop"]

_T = TypeVar("_T")


class _Kept(msgspec.Struct, Generic[_T]):
    thing: _T
    keeper: AsyncGenerator[None, None] | None


class ByLoop(Generic[_T]):
    """
    Makes a thing for each event loop that asks, and drops it after its loop was closed.

    What must be closed is closed in its own loop, by what loops do for asynchronous generators:
    `asyncio.run` ends those that are left before it closes its loop, and one that is dropped
    earlier is ended as soon as its loop runs.
    """

    def __init__(
        self, make: Callable[[], _T], close: Callable[[_T], Awaitable[None]] | None = None
    ) -> None:
        self._make = make
        self._close = close
        self._made: dict[asyncio.AbstractEventLoop, _Kept[_T]] = {}
        self._turn = threading.Lock()

    def of_running_loop(self) -> _T:
        """The thing of the event loop that runs in this thread."""
        loop = asyncio.get_running_loop()
        with self._turn:
            found = self._made.get(loop)
            if found is None:
                for other in [other for other in self._made if other.is_closed()]:
                    del self._made[other]
                thing = self._make()
                keeper = None if self._close is None else _begun(_until_closed(thing, self._close))
                found = self._made[loop] = _Kept(thing, keeper)
        return found.thing

    def drop_all(self) -> None:
        """Let go of everything; what must be closed is closed by its loop, if that still runs."""
        with self._turn:
            self._made.clear()


async def _until_closed(
    thing: _T, close: Callable[[_T], Awaitable[None]]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close(thing)


def _begun(keeper: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """The running loop knows of a generator from its first step on, which waits for nothing."""
    try:
        keeper.asend(None).send(None)
    except StopIteration:
        return keeper
    raise RuntimeError("a generator that only yields has waited for something")
