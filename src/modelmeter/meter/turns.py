"""Calls that wait for their turn under a throttle, each up to its deadline."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from modelmeter.errors import ThrottledError
from modelmeter.meter.meter import OpenCall

__all__ = ["TURN_POLL_SECONDS", "Turns"]

TURN_POLL_SECONDS = 0.25
"""How often a waiting call asks again by itself: another process' calls make room as well."""

Waiting = dict[asyncio.Future[None], None]
"""In the order in which they began to wait."""


class Turns:
    """
    Asks again for a call that was refused, as long and for as many as its throttle has it.

    Every process has its own: whoever waits longest in it is the first to ask when one of its
    calls has ended.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[str, Waiting] = defaultdict(dict)

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
                call = await attempt(True)
            except ThrottledError as error:
                left = error.queue_seconds - (loop.time() - began)
                if left <= 0 or len(self._waiting[error.throttle]) >= error.queue_max:
                    break
                await self._wait(error, left)
                still_wanted()
            else:
                call.on_settled = self._wake
                return call
        call = await attempt(False)
        call.on_settled = self._wake
        return call

    async def _wait(self, error: ThrottledError, left: float) -> None:
        waiting = self._waiting[error.throttle]
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting[woken] = None
        try:
            pause = min(error.retry_after_seconds, TURN_POLL_SECONDS, left)
            await asyncio.wait((woken,), timeout=pause)
        finally:
            waiting.pop(woken, None)

    def _wake(self) -> None:
        """A call has ended: the one that waits longest under each throttle asks again."""
        for waiting in self._waiting.values():
            if waiting:
                woken = next(iter(waiting))
                del waiting[woken]
                woken.set_result(None)
