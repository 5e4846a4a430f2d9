"""What looking at one thing found."""

from typing import Literal

import msgspec

__all__ = ["Finding", "ok", "warning", "wrong"]

State = Literal["ok", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, how it is, and what to do about it."""

    name: str
    state: State
    said: str
    do: str = ""


def ok(name: str, said: str) -> Finding:
    """It is as it should be."""
    return Finding(name, "ok", said)


def warning(name: str, said: str, do: str) -> Finding:
    """It works, but not as it should for long."""
    return Finding(name, "warning", said, do)


def wrong(name: str, said: str, do: str) -> Finding:
    """Something does not work."""
    return Finding(name, "wrong", said, do)
