"""Hits and misses of a program's own cache, which it can tell in two ways."""

import threading

import msgspec

__all__ = ["PAIRS_MAX", "ToldCache"]

PAIRS_MAX = 10_000
"""Pairs of agent and model that are remembered; of others only what is told by name counts."""


class _Told(msgspec.Struct):
    flagged_hits: int = 0
    named_hits: int = 0
    is_named: bool = False
    """The program tells hits or misses by name."""


class ToldCache:
    """
    Decides what counts, so that each hit and each miss counts once.

    A program flags a call that it records as cached or not, or tells a hit or a miss by name, or
    does both, in any order. Every program flags a call that is not cached, also one without any
    cache: so that is a miss only after a first hit, and only while none is told by name.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Told] = {}
        self._turn = threading.Lock()

    def flagged(self, agent_id: str, model: str, *, cached: bool) -> bool:
        """Whether a recorded call's flag counts: as a hit, or as a miss."""
        with self._turn:
            told = self._of(agent_id, model)
            if told is None:
                return False
            if not cached:
                return told.flagged_hits > 0 and not told.is_named
            told.flagged_hits += 1
            return told.flagged_hits > told.named_hits

    def named(self, agent_id: str, model: str, *, hit: bool) -> bool:
        """Whether a hit or a miss that is told by name counts."""
        with self._turn:
            told = self._of(agent_id, model)
            if told is None:
                return True
            told.is_named = True
            if not hit:
                return True
            told.named_hits += 1
            return told.named_hits > told.flagged_hits

    def _of(self, agent_id: str, model: str) -> _Told | None:
        told = self._told.get((agent_id, model))
        if told is None and len(self._told) < PAIRS_MAX:
            told = self._told[agent_id, model] = _Told()
        return told
