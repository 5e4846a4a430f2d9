"""Which agents get advice about a low hit rate, and what it says."""

import pytest

from modelmeter.cache.advice import CALLS_MIN, cache_advice
from modelmeter.ledger.cache_figures import CacheUse
from modelmeter.record import CacheMiss


def use_of(agent: str, hits: int, **misses: int) -> CacheUse:
    """An agent's use; misses by why."""
    return CacheUse(agent, hits, 0, {CacheMiss(why): count for why, count in misses.items()})


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ("first_seen", "out of its prompts"),
        ("expired", "raise ttl_seconds"),
        ("evicted", "raise bytes_max"),
        ("not_stored", "limit of output tokens"),
        ("temperature", "lower the temperature"),
        ("no_store", "no-store: leave that header out"),
        ("no_cache", "no-cache: leave that header out"),
        ("max_age", "raise max-age"),
        ("unavailable", "look at the Redis"),
    ],
)
def test_each_reason_has_a_remedy(why: str, says: str) -> None:
    (advice,) = cache_advice([use_of("a", 0, **{why: 100})])

    assert (advice.agent_id, advice.reason, advice.share_percent) == ("a", why, 100)
    assert says in advice.text


def test_no_reason_is_without_advice() -> None:
    for why in CacheMiss:
        assert cache_advice([use_of("a", 0, **{why.value: 100})])


def test_the_commonest_reason_is_told_even_where_none_is_common() -> None:
    many = use_of("a", 0, first_seen=9, expired=10, evicted=9, no_cache=9, no_store=9, max_age=9)

    assert [line.reason for line in cache_advice([many])] == [CacheMiss.EXPIRED]


def test_agents_come_by_their_misses_and_reasons_by_their_share() -> None:
    uses = [
        use_of("few", 1, expired=30),
        use_of("many", 10, first_seen=60, expired=40, no_cache=1),
    ]

    assert [(line.agent_id, line.reason) for line in cache_advice(uses)] == [
        ("many", CacheMiss.FIRST_SEEN),
        ("many", CacheMiss.EXPIRED),
        ("few", CacheMiss.EXPIRED),
    ]


@pytest.mark.parametrize(
    "use",
    [
        use_of("good", 31, first_seen=69),
        use_of("new", 0, first_seen=CALLS_MIN - 1),
        use_of("perfect", 100),
        use_of("idle", 0),
    ],
)
def test_who_does_well_or_hardly_calls_gets_none(use: CacheUse) -> None:
    assert cache_advice([use]) == []
