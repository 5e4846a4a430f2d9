"""Calls that wait for their turn under a throttle, each up to its deadline."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from modelmeter.errors import ThrottledError
from modelmeter.meter.meter import OpenCall

__all__ = ["TURN_POLL_SECONDS", "Turns"]

TURN_POLL_SECONDS = 0.2
"""How often a waiting call asks again: another process' calls make room as well."""


class Turns:
    """
    Asks again for a call that was refused, as long and for as many as its throttle has it.

    Every process has its own; no order among the waiting is promised.
    """

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    async def open(
        self, attempt: Callable[[bool], Awaitable[OpenCall]], still_wanted: Callable[[], None]
    ) -> OpenCall:
        """
        The call, once ``attempt`` has opened it; told True, it leaves no trace of a refusal.

        ``still_wanted`` raises if the caller has left.

        Raises:
            ThrottledError: its deadline is over, or too many wait already.
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
            still_wanted()
        return await attempt(False)

    async def _wait(self, error: ThrottledError, left: float) -> None:
        self._waiting[error.throttle] += 1
        try:
            await asyncio.sleep(min(error.retry_after_seconds, TURN_POLL_SECONDS, left))
        finally:
            self._waiting[error.throttle] -= 1
