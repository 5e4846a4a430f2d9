"""A hit holds nothing of a budget, and a cheaper model's answer is not kept for the dearer one."""

from collections.abc import Iterator

import pytest
from cached_gateway import CachedGateway, prompt_of, run_cached
from ledger_file import query

BUDGETS = """
[[budgets]]
name = "one-call"
agent = "meetmind.blocked"
window = "day"
limit_calls = 1

[[budgets]]
name = "one-dear-call"
agent = "meetmind.cheaper"
model = "gpt-4o"
window = "day"
limit_calls = 1
at_limit = "downgrade"
downgrade = { "gpt-4o" = "gpt-4o-mini" }
"""


@pytest.fixture(scope="module", name="cached")
def cached_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CachedGateway]:
    """A gateway with budgets."""
    yield from run_cached(tmp_path_factory.mktemp("cached"), "memory", None, more=BUDGETS)


async def test_a_hit_is_given_when_the_budget_is_spent(cached: CachedGateway) -> None:
    agent = {"x-agent-id": "meetmind.blocked"}
    body = prompt_of(max_tokens=100)
    first = await cached.call(body, agent)

    refused = await cached.call(prompt_of(max_tokens=100), agent)
    again = await cached.call(body, agent)

    assert (first.status, refused.status, again.status) == (200, 429, 200)
    assert (first.cache, again.cache) == ("miss", "hit")
    assert again.body == first.body
    held = "SELECT count(*) FROM entry WHERE agent_id = 'meetmind.blocked' AND cached"
    assert query(cached.ledger, held) == [(1,)]


async def test_a_cheaper_models_answer_is_not_kept_for_the_dearer_one(
    cached: CachedGateway,
) -> None:
    agent = {"x-agent-id": "meetmind.cheaper"}
    kept, other = prompt_of(max_tokens=100), prompt_of(max_tokens=100)
    await cached.call(kept, agent)

    answers = [await cached.call(other, agent) for _ in range(2)]

    assert [answer.cache for answer in answers] == ["miss", "miss"]
    assert [answer.headers["x-modelmeter-model-used"] for answer in answers] == ["gpt-4o-mini"] * 2
    assert answers[0].body != answers[1].body
    assert (await cached.call(kept, agent)).cache == "hit"
