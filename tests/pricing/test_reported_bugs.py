"""
Bugs that users of other meters reported, each with what a naive meter says and what is right.

Both are sums of tokens times USD a million: the right one is the bill, the naive one is what comes
out of the mistake that was reported, so that code which makes it fails the test.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest

from modelmeter.budgets.bound import DemandBound
from modelmeter.budgets.contract import BoundRequest
from modelmeter.pricing import PriceBook
from modelmeter.pricing.overrides import Overrides
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.providers import dialect_for
from modelmeter.record import CostState, Operation, TokenCounts
from modelmeter.settings.prices import CeilingSettings, DeploymentSettings, PriceSettings

BOOK = PriceBook({"azure": "azure"})
PRICER = LinePricer(BOOK, lambda: 0)


class Bug(NamedTuple):
    """A report, a call as it happened, the right cost and the naive one in USD."""

    report: str
    mistake: str
    line: dict[str, object]
    right: Decimal | None
    naive: Decimal


def bill(*charges: tuple[int, str]) -> Decimal:
    """The sum of tokens times their USD a million; of nothing it is 0."""
    return sum((tokens * Decimal(usd) for tokens, usd in charges), Decimal(0)) / 10**6


def chat(prompt: int, completion: int, **details: int) -> dict[str, object]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": details.get("cached", 0)},
        "completion_tokens_details": {"reasoning_tokens": details.get("reasoning", 0)},
    }


def openai(model: str, when: str, usage: object, **fields: object) -> dict[str, object]:
    return {
        "provider": "openai", "api": "chat", "model": model, "when": when, "raw_usage": usage,
        **fields,
    }  # fmt: skip


def anthropic(model: str, when: str, usage: object, api: str = "messages") -> dict[str, object]:
    return {
        "provider": "anthropic", "api": api, "model": model, "when": when, "raw_usage": usage,
    }  # fmt: skip


def bedrock(model: str, when: str, usage: object, **fields: object) -> dict[str, object]:
    return {
        "provider": "bedrock", "api": "converse", "model": model, "when": when,
        "raw_usage": usage, **fields,
    }  # fmt: skip


def google(model: str, when: str, usage: object) -> dict[str, object]:
    return {
        "provider": "google", "api": "generateContent", "model": model, "when": when,
        "raw_usage": usage,
    }  # fmt: skip


def vertex(model: str, when: str, usage: object) -> dict[str, object]:
    return {**google(model, when, usage), "provider": "vertex"}


VERTEX_USAGE = {
    "promptTokenCount": 1200,
    "candidatesTokenCount": 300,
    "thoughtsTokenCount": 500,
    "totalTokenCount": 2000,
    "trafficType": "ON_DEMAND",
}
WRITTEN = {
    "input_tokens": 4,
    "cache_creation_input_tokens": 12_304,
    "cache_read_input_tokens": 0,
    "output_tokens": 550,
}
READ_STREAM = [
    {
        "type": "message_start",
        "message": {
            "model": "claude-sonnet-4-20250514",
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 50_000, "output_tokens": 1},
        },
    },
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 400}},
    {"type": "message_stop"},
]

BUGS = [
    Bug(
        "BerriAI/litellm#9812",
        "cache writes are billed as writes and once more as input",
        anthropic("claude-3-7-sonnet-20250219", "2025-04-08", WRITTEN),
        right=bill((4, "3"), (12_304, "3.75"), (550, "15")),
        naive=bill((4 + 12_304, "3"), (12_304, "3.75"), (550, "15")),
    ),
    Bug(
        "BerriAI/litellm#6215",
        "cached tokens are not taken out of the prompt's",
        openai("gpt-4o-2024-08-06", "2024-10-15", chat(2006, 300, cached=1920)),
        right=bill((86, "2.5"), (1920, "1.25"), (300, "10")),
        naive=bill((2006, "2.5"), (1920, "1.25"), (300, "10")),
    ),
    Bug(
        "BerriAI/litellm#14849",
        "Gemini's cached tokens are counted in the prompt and beside it",
        google(
            "gemini-2.5-flash",
            "2025-12-01",
            {
                "promptTokenCount": 50_000,
                "cachedContentTokenCount": 40_000,
                "candidatesTokenCount": 1000,
                "totalTokenCount": 51_000,
            },
        ),
        right=bill((10_000, "0.3"), (40_000, "0.03"), (1000, "2.5")),
        naive=bill((50_000, "0.3"), (40_000, "0.03"), (1000, "2.5")),
    ),
    Bug(
        "BerriAI/litellm#11789",
        "cache reads of a stream are charged as input",
        anthropic("claude-sonnet-4-20250514", "2025-07-01", READ_STREAM, "messages_stream"),
        right=bill((10, "3"), (50_000, "0.3"), (400, "15")),
        naive=bill((10 + 50_000, "3"), (400, "15")),
    ),
    Bug(
        "BerriAI/litellm#33772",
        "OpenAI's cache writes are billed as input",
        openai(
            "gpt-5.6-sol", "2026-09-01",
            {
                "prompt_tokens": 12_000, "completion_tokens": 100, "total_tokens": 12_100,
                "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 8000},
            },
        ),
        right=bill((2000, "4"), (2000, "0.4"), (8000, "5"), (100, "20")),
        naive=bill((10_000, "4"), (2000, "0.4"), (100, "20")),
    ),
    Bug(
        "BerriAI/litellm#31837",
        "the tier that was requested is billed, not the one that served",
        openai(
            "gpt-4.1-2025-04-14", "2025-11-01", chat(10_000, 1000),
            requested_tier="priority", raw_response={"service_tier": "default"},
        ),
        right=bill((10_000, "2"), (1000, "8")),
        naive=bill((10_000, "3.5"), (1000, "14")),
    ),
    Bug(
        "BerriAI/litellm#13810",
        "flex is billed at the ordinary price",
        openai(
            "gpt-5-nano", "2025-08-20", chat(10_000, 1000), raw_response={"service_tier": "flex"}
        ),
        right=bill((10_000, "0.025"), (1000, "0.2")),
        naive=bill((10_000, "0.05"), (1000, "0.4")),
    ),
    Bug(
        "BerriAI/litellm#37046",
        "a dated model has no priority price where its alias has one",
        openai(
            "gpt-5-mini-2025-08-07", "2026-10-20", chat(10_000, 1000),
            raw_response={"service_tier": "priority"},
        ),
        right=bill((10_000, "0.45"), (1000, "3.6")),
        naive=bill((10_000, "0.25"), (1000, "2")),
    ),
    Bug(
        "BerriAI/litellm#42679",
        "in-Region inference of newer Claude models is billed at the global price",
        bedrock(
            "anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-02-01",
            {"inputTokens": 10_000, "outputTokens": 1000}, region="us-east-1",
        ),
        right=bill((10_000, "3.3"), (1000, "16.5")),
        naive=bill((10_000, "3"), (1000, "15")),
    ),
    Bug(
        "BerriAI/litellm#9306",
        "a call without a region costs nothing",
        bedrock(
            "amazon.nova-lite-v1:0", "2025-05-01", {"inputTokens": 10_000, "outputTokens": 1000}
        ),
        right=bill((10_000, "0.06"), (1000, "0.24")),
        naive=bill(),
    ),
    Bug(
        "BerriAI/litellm#18607",
        "of the output only the reasoning is priced",
        openai("o3-2025-04-16", "2025-09-01", chat(2000, 1000, reasoning=600)),
        right=bill((2000, "2"), (1000, "8")),
        naive=bill((2000, "2"), (600, "8")),
    ),
    Bug(
        "BerriAI/litellm#36561",
        "an unmapped model costs nothing, so budgets never fire",
        openai("gpt-99-ultra", "2026-10-01", chat(1000, 1000)),
        right=None,
        naive=bill(),
    ),
    Bug(
        "BerriAI/litellm#20795",
        "retired models are deleted from the prices",
        anthropic(
            "claude-3-sonnet-20240229", "2024-05-01", {"input_tokens": 1000, "output_tokens": 500}
        ),
        right=bill((1000, "3"), (500, "15")),
        naive=bill(),
    ),
    Bug(
        "langfuse/langfuse#12306",
        "OpenTelemetry's input_tokens holds the cached ones, which are added to it",
        openai(
            "gpt-4o-2024-08-06", "2025-06-01",
            {
                "input_tokens": 10_000, "output_tokens": 100, "total_tokens": 10_100,
                "input_tokens_details": {"cached_tokens": 9000},
            },
            api="responses",
        ),
        right=bill((1000, "2.5"), (9000, "1.25"), (100, "10")),
        naive=bill((10_000, "2.5"), (9000, "1.25"), (100, "10")),
    ),
    Bug(
        "langfuse/langfuse#10592",
        "input 17,903 of which 17,817 are cached is shown as 35,720",
        openai("gpt-4o-2024-08-06", "2025-11-20", chat(17_903, 100, cached=17_817)),
        right=bill((86, "2.5"), (17_817, "1.25"), (100, "10")),
        naive=bill((17_903, "2.5"), (17_817, "1.25"), (100, "10")),
    ),
    Bug(
        "langfuse/langfuse#12531",
        "Gemini's thoughts are left out",
        google(
            "gemini-3-pro-preview",
            "2026-03-11",
            {
                "thoughtsTokenCount": 495, "promptTokenCount": 324,
                "candidatesTokenCount": 1364, "totalTokenCount": 2183,
            },
        ),
        right=bill((324, "2"), (1364 + 495, "12")),
        naive=bill((324, "2"), (1364, "12")),
    ),
    Bug(
        "langfuse/langfuse#16321",
        "thoughts that an agent's trace tells in snake_case stand in the total and have no price",
        google(
            "gemini-2.5-flash",
            "2026-08-19",
            {
                "prompt_token_count": 100, "candidates_token_count": 50,
                "thoughts_token_count": 200, "total_token_count": 350,
            },
        ),
        right=bill((100, "0.3"), (50 + 200, "2.5")),
        naive=bill((100, "0.3"), (50, "2.5")),
    ),
    Bug(
        "langfuse/langfuse#16321 with a cache",
        "the same, where a part of the prompt was read from a cache",
        google(
            "gemini-2.5-flash",
            "2026-08-19",
            {
                "prompt_token_count": 1000, "cached_content_token_count": 50,
                "candidates_token_count": 200, "thoughts_token_count": 80,
                "total_token_count": 1280,
            },
        ),
        right=bill((950, "0.3"), (50, "0.03"), (200 + 80, "2.5")),
        naive=bill((950, "0.3"), (50, "0.03"), (200, "2.5")),
    ),
    Bug(
        "Helicone/helicone#4085",
        "calls of Gemini through Vertex AI succeed with 0 tokens and cost nothing",
        vertex("gemini-2.5-flash", "2025-07-10", VERTEX_USAGE),
        right=bill((1200, "0.3"), (300 + 500, "2.5")),
        naive=bill(),
    ),
    Bug(
        "Helicone/helicone#4085 by its path",
        "the same, where the model is named as Vertex AI's URL names it",
        vertex(
            "projects/acme/locations/us-central1/publishers/google/models/"
            "gemini-2.5-pro-preview-03-25",
            "2025-05-01",
            VERTEX_USAGE,
        ),
        right=bill((1200, "1.25"), (300 + 500, "10")),
        naive=bill(),
    ),
    Bug(
        "Helicone/helicone#4085 streamed",
        "the same, of a stream, whose last chunk alone has the whole usage",
        vertex(
            "gemini-2.5-flash",
            "2025-07-10",
            [
                {"usageMetadata": {"trafficType": "ON_DEMAND"}},
                {"modelVersion": "gemini-2.5-flash", "usageMetadata": VERTEX_USAGE},
            ],
        ),
        right=bill((1200, "0.3"), (300 + 500, "2.5")),
        naive=bill(),
    ),
    Bug(
        "openlit/openlit#1284",
        "reads and writes of the cache have no price of their own and are billed as input",
        anthropic(
            "claude-3-5-sonnet-20241022", "2025-02-01",
            {
                "input_tokens": 100, "cache_creation_input_tokens": 4000,
                "cache_read_input_tokens": 20_000, "output_tokens": 200,
            },
        ),
        right=bill((100, "3"), (4000, "3.75"), (20_000, "0.3"), (200, "15")),
        naive=bill((24_100, "3"), (200, "15")),
    ),
    Bug(
        "ccusage/ccusage#1636",
        "history is priced at today's rate",
        openai("o3-2025-04-16", "2025-05-20", chat(1000, 2000)),
        right=bill((1000, "10"), (2000, "40")),
        naive=bill((1000, "2"), (2000, "8")),
    ),
    Bug(
        "langfuse/langfuse#12184",
        "a price holds for calls before the day from which it is valid",
        openai("gpt-5.6-sol", "2026-08-20", chat(12_000, 900)),
        right=bill((12_000, "5"), (900, "30")),
        naive=bill((12_000, "4"), (900, "20")),
    ),
]  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.report)
def test_a_reported_mistake_is_not_made(bug: Bug) -> None:
    result = json.loads(PRICER.price(json.dumps(bug.line).encode()))

    if bug.right is None:
        assert (result["status"], result["cost_usd"]) == ("unknown", None)
        return
    assert (result["status"], Decimal(result["cost_usd"])) == ("priced", bug.right)
    assert bug.right != bug.naive


def test_an_inference_profile_s_arn_is_never_free() -> None:
    """
    langfuse/langfuse#13325: cost 0.

    It has the price of the model it was made for, once the operator says which; until then it is
    unknown, and told as such.
    """
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    at_ns = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) * 10**9
    nova = DeploymentSettings(provider="bedrock", name=arn, model="amazon.nova-lite-v1:0")
    overrides = Overrides(PriceSettings(deployments=(nova,)))
    told = PriceBook({"bedrock": "bedrock"}, overrides=overrides)

    unknown = BOOK.price("bedrock", arn, TokenCounts(input=1000), at_ns)
    known = told.price("bedrock", arn, TokenCounts(input=1000), at_ns)

    assert (unknown.state, known.state) == (CostState.UNPRICED, CostState.PRICED)
    assert unknown.note
    assert Decimal(known.cost) / 10**12 == bill((1000, "0.06"))


def test_azure_s_word_for_turbo_is_not_believed_where_the_deployment_is_known() -> None:
    """
    langchain-ai/langchain#14912: Azure answers ``gpt-4`` for a deployment of Turbo.

    The operator's word for the deployment stands before the answer's, which counts without it.
    """
    line = {
        "provider": "azure", "api": "chat", "model": "prod-chat", "when": "2024-06-01",
        "raw_usage": chat(1000, 100), "raw_response": {"model": "gpt-4"},
    }  # fmt: skip
    turbo = DeploymentSettings(provider="azure", name="prod-chat", model="gpt-4-turbo")
    overrides = Overrides(PriceSettings(deployments=(turbo,)))
    told = LinePricer(PriceBook({"azure": "azure"}, overrides=overrides), lambda: 0)
    right, naive = bill((1000, "10"), (100, "30")), bill((1000, "30"), (100, "60"))

    results = [json.loads(pricer.price(json.dumps(line).encode())) for pricer in (told, PRICER)]

    assert [result["matched_model"] for result in results] == ["gpt-4-turbo", "gpt-4"]
    assert [Decimal(result["cost_usd"]) for result in results] == [right, naive]


def test_an_unmapped_model_counts_against_budgets_where_the_operator_wants_it() -> None:
    """
    BerriAI/litellm#36561: what has no price is charged 0, so that no budget ever fires.

    A ceiling makes such a call cost something, and what is held for it before is no less.
    """
    ceiling = CeilingSettings(input=Decimal(20), output=Decimal(100))
    settings = PriceSettings(unknown_models="ceiling", ceiling=ceiling)
    book = PriceBook({"openai": "openai"}, overrides=Overrides(settings))
    at_ns = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * 10**9
    body = b'{"model":"gpt-99-ultra","messages":[{"role":"user","content":"hi"}],"max_tokens":9}'
    request = BoundRequest(
        provider="openai",
        kind="openai",
        operation=Operation.CHAT,
        model="gpt-99-ultra",
        body=body,
        output_tokens_max=9,
        at_ns=at_ns,
    )

    price = book.price("openai", "gpt-99-ultra", TokenCounts(input=8, output=9), at_ns)
    bound = DemandBound(book, dialect_for).bound(request)

    assert price.state is CostState.ESTIMATED
    assert Decimal(price.cost) / 10**12 == bill((8, "20"), (9, "100"))
    assert bound.cost is not None
    assert bound.cost >= price.cost
