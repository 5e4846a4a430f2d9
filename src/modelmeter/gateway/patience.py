"""How long an exchange may wait for its next byte: a deadline that is cheap to move."""

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["Patience"]


_GLANCE_SECONDS = 1.0
"""How often a running exchange's deadline is looked at; nearer deadlines are met exactly."""


class Patience:
    """
    Ends the code inside with TimeoutError when its deadline passes.

    Like `asyncio.timeout`, but moving the deadline costs nothing: the timer that is set looks,
    when it fires, where the deadline is now.
    """

    def __init__(self, total_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._latest = self._loop.time() + total_seconds
        self._deadline = self._latest
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._task: asyncio.Task[object] | None = None
        self._expired = False

    def allow(self, seconds: float) -> None:
        """The deadline is so many seconds from now, but never after the total."""
        self._deadline = min(self._loop.time() + seconds, self._latest)
        if self._timer is not None and self._deadline < self._timer_at:
            self._timer.cancel()
            self._set_timer()

    def limit(self, seconds: float) -> None:
        """From now on the total is so many seconds, if it is not less already."""
        self._latest = min(self._latest, self._loop.time() + seconds)
        self.allow(seconds)

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._set_timer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._expired or self._task is None:
            return
        # Another cancellation, such as a shutdown's, must still be seen by the caller.
        others = self._task.uncancel()
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def _set_timer(self) -> None:
        self._timer_at = min(self._deadline, self._loop.time() + _GLANCE_SECONDS)
        self._timer = self._loop.call_at(self._timer_at, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._set_timer()
        elif self._task is not None:
            self._timer = None
            self._expired = True
            self._task.cancel()
