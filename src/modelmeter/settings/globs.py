"""Whether some text matches two patterns at once."""

from functools import lru_cache

__all__ = ["globs_meet"]

PAIRS_MAX = 10_000
"""Pairs of patterns whose answer is remembered while a configuration is checked."""


@lru_cache(maxsize=PAIRS_MAX)
def globs_meet(one: str, other: str) -> bool:
    """
    Whether any text matches both patterns of ``*`` and ``?``.

    A set in brackets is taken as the letters it is written with.
    """
    # Whether the rests from each place on can match the same text, from the ends back.
    meets = [[False] * (len(other) + 1) for _ in range(len(one) + 1)]
    for left in range(len(one), -1, -1):
        for right in range(len(other), -1, -1):
            meets[left][right] = _meet_at(one, other, left, right, meets)
    return meets[0][0]


def _meet_at(one: str, other: str, left: int, right: int, meets: list[list[bool]]) -> bool:
    if left == len(one) and right == len(other):
        return True
    first = one[left] if left < len(one) else ""
    second = other[right] if right < len(other) else ""
    if first == "*":
        return meets[left + 1][right] or (bool(second) and meets[left][right + 1])
    if second == "*":
        return meets[left][right + 1] or (bool(first) and meets[left + 1][right])
    if not first or not second:
        return False
    return (first == second or "?" in (first, second)) and meets[left + 1][right + 1]
