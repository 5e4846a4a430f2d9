"""The one source of chance in the simulator: seeded, so that every run can be repeated."""

from random import Random

__all__ = ["seeded_random"]


def seeded_random(seed: int | str) -> Random:
    """Give a source of draws that are equal for equal seeds; not for secrets."""
    return Random(seed)  # noqa: S311 - repeatable draws are what it is for
