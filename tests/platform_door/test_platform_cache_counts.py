"""Hits and misses of a program's own cache count once, in whichever way it tells them."""

import pytest

from modelmeter.service import told_cache
from modelmeter.service.told_cache import ToldCache

HIT, MISS = "hit", "miss"


def counted(*told: str) -> list[str]:
    """
    What counts of what a program tells of one agent and model.

    ``flag`` and ``no flag``: a call recorded as cached or not; ``hit`` and ``miss``: by name.
    """
    cache = ToldCache()
    found = []
    for one in told:
        hit = one in ("flag", HIT)
        if one in (HIT, MISS):
            counts = cache.named("a", "gpt-4", hit=hit)
        else:
            counts = cache.flagged("a", "gpt-4", cached=hit)
        if counts:
            found.append(HIT if hit else MISS)
    return found


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["no flag", "no flag"], []),
        (["flag", "flag"], [HIT, HIT]),
        (["no flag", "flag", "no flag"], [HIT, MISS]),
        ([HIT, MISS, MISS], [HIT, MISS, MISS]),
        ([HIT, "flag", MISS, "no flag", HIT, "flag"], [HIT, MISS, HIT]),
        (["flag", HIT, "no flag", MISS, "flag", HIT], [HIT, MISS, HIT]),
        ([HIT, HIT, "flag", "flag"], [HIT, HIT]),
        ([MISS, "no flag", MISS, "no flag"], [MISS, MISS]),
    ],
    ids=[
        "a program without a cache",
        "flags alone: hits",
        "flags alone: misses after a first hit",
        "names alone",
        "both, the name first",
        "both, the flag first",
        "both, several calls at once",
        "both, misses before a first hit",
    ],
)
def test_each_hit_and_each_miss_counts_once(told: list[str], expected: list[str]) -> None:
    assert counted(*told) == expected


def test_pairs_are_told_apart_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_cache, "PAIRS_MAX", 2)
    cache = ToldCache()

    assert cache.named("a", "gpt-4", hit=True)
    assert cache.flagged("b", "gpt-4", cached=True)
    assert not cache.flagged("a", "gpt-4", cached=True)
    assert not cache.flagged("beyond", "gpt-4", cached=True)
    assert cache.named("beyond", "gpt-4", hit=False)
