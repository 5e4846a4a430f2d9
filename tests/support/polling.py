"""Waiting for what another process does, with a bound instead of luck."""

import time
from collections.abc import Callable

__all__ = ["wait_until"]

SECONDS_MAX = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.1)
