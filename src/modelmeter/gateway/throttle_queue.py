"""Calls that wait for their turn under a throttle, each up to its deadline."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from modelmeter.errors import ThrottledError
from modelmeter.gateway.client_side import ClientGoneError
from modelmeter.meter import OpenCall

__all__ = ["QUEUE_POLL_SECONDS", "ThrottleQueue"]

QUEUE_POLL_SECONDS = 0.2
"""How often a waiting call asks again: another process' calls make room as well."""


class ThrottleQueue:
    """
    Asks again for a call that was refused, as long and for as many as its throttle has it.

    Every process has its own; no order among the waiting is promised.
    """

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    async def open(
        self, attempt: Callable[[bool], Awaitable[OpenCall]], has_left: Callable[[], bool]
    ) -> OpenCall:
        """
        The call, once ``attempt`` has opened it; told True, it leaves no trace of a refusal.

        Raises:
            ThrottledError: its deadline is over, or too many wait already.
            ClientGoneError: the caller left while it waited.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                return await attempt(True)
            except ThrottledError as error:
                left = error.queue_seconds - (loop.time() - began)
                if left <= 0 or self._waiting[error.throttle] >= error.queue_max:
                    break
                await self._wait(error, left)
            if has_left():
                raise ClientGoneError
        return await attempt(False)

    async def _wait(self, error: ThrottledError, left: float) -> None:
        self._waiting[error.throttle] += 1
        try:
            await asyncio.sleep(min(error.retry_after_seconds, QUEUE_POLL_SECONDS, left))
        finally:
            self._waiting[error.throttle] -= 1
