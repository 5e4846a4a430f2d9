"""Things of which each event loop of a process has its own."""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["ByLoop"]

_T = TypeVar("_T")


class ByLoop(Generic[_T]):
    """Makes a thing for each event loop that asks, and drops it after its loop was closed."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, _T] = {}
        self._turn = threading.Lock()

    def of_running_loop(self) -> _T:
        """The thing of the event loop that runs in this thread."""
        loop = asyncio.get_running_loop()
        with self._turn:
            found = self._made.get(loop)
            if found is None:
                for other in [other for other in self._made if other.is_closed()]:
                    del self._made[other]
                found = self._made[loop] = self._make()
        return found
