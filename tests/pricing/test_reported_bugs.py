"""
Bugs that users of other meters reported, each with what a naive meter says and what is right.

The first figure is the bill; the second is what comes out of the mistake that was reported.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest

from modelmeter.pricing import PriceBook
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.record import CostState, TokenCounts

BOOK = PriceBook({"azure": "azure"})
PRICER = LinePricer(BOOK, lambda: 0)


class Bug(NamedTuple):
    """A report, a call as it happened, the right cost and the naive one in USD."""

    report: str
    mistake: str
    line: dict[str, object]
    right: str | None
    naive: str


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
        "0.054402",  # 4 * 3 + 12,304 * 3.75 + 550 * 15, a million
        "0.091314",
    ),
    Bug(
        "BerriAI/litellm#6215",
        "cached tokens are not taken out of the prompt's",
        openai("gpt-4o-2024-08-06", "2024-10-15", chat(2006, 300, cached=1920)),
        "0.005615",
        "0.010415",
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
        "0.0067",
        "0.0187",
    ),
    Bug(
        "BerriAI/litellm#11789",
        "cache reads of a stream are charged as input",
        anthropic("claude-sonnet-4-20250514", "2025-07-01", READ_STREAM, "messages_stream"),
        "0.02103",
        "0.15603",
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
        "0.0508",  # 2,000 * 4 + 2,000 * 0.4 + 8,000 * 5 + 100 * 20, a million
        "0.0428",
    ),
    Bug(
        "BerriAI/litellm#31837",
        "the tier that was requested is billed, not the one that served",
        openai(
            "gpt-4.1-2025-04-14", "2025-11-01", chat(10_000, 1000),
            requested_tier="priority", raw_response={"service_tier": "default"},
        ),
        "0.028",
        "0.049",
    ),
    Bug(
        "BerriAI/litellm#13810",
        "flex is billed at the ordinary price",
        openai(
            "gpt-5-nano", "2025-08-20", chat(10_000, 1000), raw_response={"service_tier": "flex"}
        ),
        "0.00045",
        "0.0009",
    ),
    Bug(
        "BerriAI/litellm#37046",
        "a dated model has no priority price where its alias has one",
        openai(
            "gpt-5-mini-2025-08-07", "2026-10-20", chat(10_000, 1000),
            raw_response={"service_tier": "priority"},
        ),
        "0.0081",
        "0.0045",
    ),
    Bug(
        "BerriAI/litellm#42679",
        "in-Region inference of newer Claude models is billed at the global price",
        bedrock(
            "anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-02-01",
            {"inputTokens": 10_000, "outputTokens": 1000}, region="us-east-1",
        ),
        "0.0495",
        "0.045",
    ),
    Bug(
        "BerriAI/litellm#9306",
        "a call without a region costs nothing",
        bedrock(
            "amazon.nova-lite-v1:0", "2025-05-01", {"inputTokens": 10_000, "outputTokens": 1000}
        ),
        "0.00084",
        "0",
    ),
    Bug(
        "BerriAI/litellm#18607",
        "of the output only the reasoning is priced",
        openai("o3-2025-04-16", "2025-09-01", chat(2000, 1000, reasoning=600)),
        "0.012",
        "0.0088",
    ),
    Bug(
        "BerriAI/litellm#36561",
        "an unmapped model costs nothing, so budgets never fire",
        openai("gpt-99-ultra", "2026-10-01", chat(1000, 1000)),
        None,
        "0",
    ),
    Bug(
        "BerriAI/litellm#20795",
        "retired models are deleted from the prices",
        anthropic(
            "claude-3-sonnet-20240229", "2024-05-01", {"input_tokens": 1000, "output_tokens": 500}
        ),
        "0.0105",
        "0",
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
        "0.01475",
        "0.03725",
    ),
    Bug(
        "langfuse/langfuse#10592",
        "input 17,903 of which 17,817 are cached is shown as 35,720",
        openai("gpt-4o-2024-08-06", "2025-11-20", chat(17_903, 100, cached=17_817)),
        "0.02348625",
        "0.06802875",
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
        "0.022956",
        "0.017016",
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
        "0.0243",
        "0.0753",
    ),
    Bug(
        "ccusage/ccusage#1636",
        "history is priced at today's rate",
        openai("o3-2025-04-16", "2025-05-20", chat(1000, 2000)),
        "0.09",
        "0.018",
    ),
    Bug(
        "langfuse/langfuse#12184",
        "a price holds for calls before the day from which it is valid",
        openai("gpt-5.6-sol", "2026-08-20", chat(12_000, 900)),
        "0.087",
        "0.066",
    ),
]  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.report)
def test_a_reported_mistake_is_not_made(bug: Bug) -> None:
    result = json.loads(PRICER.price(json.dumps(bug.line).encode()))

    if bug.right is None:
        assert (result["status"], result["cost_usd"]) == ("unknown", None)
        return
    assert (result["status"], Decimal(result["cost_usd"])) == ("priced", Decimal(bug.right))
    assert Decimal(bug.right) != Decimal(bug.naive)


def test_an_inference_profile_s_arn_is_unknown_until_it_is_mapped_never_free() -> None:
    """langfuse/langfuse#13325: cost 0. `tests/pricing/test_overrides.py` maps one."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    at_ns = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) * 10**9

    price = BOOK.price("bedrock", arn, TokenCounts(input=1000), at_ns)

    assert price.state is CostState.UNPRICED
    assert price.note


def test_azure_s_word_for_turbo_is_not_believed_where_the_deployment_is_known() -> None:
    """
    langchain-ai/langchain#14912: Azure answers ``gpt-4`` for a deployment of Turbo.

    Without an override the answer's word counts, at 30 and 60 USD a million; the override that
    says better is tested in `tests/pricing/test_overrides.py`.
    """
    usage = chat(1000, 100)
    line = {
        "provider": "azure", "api": "chat", "model": "prod-chat", "when": "2024-06-01",
        "raw_usage": usage, "raw_response": {"model": "gpt-4"},
    }  # fmt: skip

    result = json.loads(PRICER.price(json.dumps(line).encode()))

    assert (result["cost_usd"], result["matched_model"]) == ("0.036", "gpt-4")
