"""Several processes that serve one socket: started, restarted when they die, stopped together."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType

__all__ = ["run_workers"]

logger = logging.getLogger(__name__)

_RESTART_PAUSE_SECONDS = 1.0
"""Between the death of a worker and its successor, so that a broken set-up does not spin."""
_FAILED = 1


def run_workers(count: int, serve: Callable[[], None]) -> None:
    """
    Run ``serve`` in ``count`` processes until SIGTERM or SIGINT; then stop them all.

    To be called before any thread or event loop is started: the workers are forks. They also
    stop when this process ends in any other way, for a pipe from it ends then.
    """
    lifeline = os.pipe()
    workers = {_start(serve, lifeline) for _ in range(count)}
    stopping = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            os.kill(worker, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while workers:
        ended, status = os.wait()
        workers.discard(ended)
        if not stopping:
            logger.error("worker %d ended with status %d; another one starts", ended, status)
            time.sleep(_RESTART_PAUSE_SECONDS)
            workers.add(_start(serve, lifeline))


def _start(serve: Callable[[], None], lifeline: tuple[int, int]) -> int:
    worker = os.fork()
    if worker:
        return worker
    status = _FAILED
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        parents_end, held_by_parent = lifeline
        os.close(held_by_parent)
        threading.Thread(target=_stop_with_parent, args=(parents_end,), daemon=True).start()
        serve()
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _stop_with_parent(parents_end: int) -> None:
    os.read(parents_end, 1)
    os.kill(os.getpid(), signal.SIGTERM)
