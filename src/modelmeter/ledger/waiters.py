"""Who waits for a write: futures of event loops, woken from the writer's thread."""

import asyncio
import logging
from collections import defaultdict

from modelmeter.errors import ModelmeterError

__all__ = ["Waiter", "resolve"]

logger = logging.getLogger(__name__)

Waiter = asyncio.Future[None]


def resolve(waiters: list[Waiter | None], error: ModelmeterError | None) -> None:
    """Wake the waiters, with one wake-up an event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Waiter]] = defaultdict(list)
    for waiter in waiters:
        if waiter is not None:
            by_loop[waiter.get_loop()].append(waiter)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_wake, waiting, error)
        except RuntimeError:
            logger.debug("an event loop ended before its ledger writes did")


def _wake(waiters: list[Waiter], error: ModelmeterError | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
