"""What holds for every price: lines add up, nothing is negative, nothing used goes unsaid."""

import json
from datetime import UTC, datetime
from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from modelmeter.pricing import PriceBook
from modelmeter.pricing.card import read_card
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.record import PICO_PER_USD, CostState, TokenCounts, ToolCalls

BOOK = PriceBook({"azure": "azure"}, {"bedrock": "us-east-1"})
PRICER = LinePricer(BOOK, lambda: 0)
KINDS = TokenCounts.__struct_fields__
FIRST_NS = int(datetime(2023, 6, 1, tzinfo=UTC).timestamp()) * 10**9
LAST_NS = int(datetime(2027, 2, 1, tzinfo=UTC).timestamp()) * 10**9

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4-2026-03-05"),
    ("openai", "text-embedding-3-large"),
    ("openai", "gpt-audio"),
    ("openai", "nobody-knows-me"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-3-haiku-20240307"),
    ("genai", "gemini-2.5-pro"),
    ("genai", "text-embedding-005"),
    ("bedrock", "eu.amazon.nova-pro-v1:0"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("perplexity", "sonar-reasoning"),
    ("openrouter", "deepseek/deepseek-r1:free"),
]
models = st.sampled_from(MODELS)
times = st.integers(FIRST_NS, LAST_NS)
tiers = st.sampled_from([None, "batch", "flex", "priority", "optimized", "unheard-of"])
regions = st.sampled_from([None, "us", "eu-west-1", "europe-west4", "datazone"])
counts = st.integers(0, 400_000)
tokens = st.builds(TokenCounts, **dict.fromkeys(KINDS, counts))
uses = st.integers(0, 5)
UNITS = ("characters", "cached_audio", "video_input", "video_output")
"""Beside the tools; what tokens of a modality cost more than text may be nothing."""
TOOLS = [tool for tool in ToolCalls.__struct_fields__ if tool not in UNITS]
tools = st.builds(ToolCalls, **dict.fromkeys(TOOLS, uses))


@given(models, times, tiers, regions, tokens, tools)
def test_lines_add_up_and_none_is_negative(
    model: tuple[str, str],
    at_ns: int,
    tier: str | None,
    region: str | None,
    used: TokenCounts,
    ran: ToolCalls,
) -> None:
    quote = BOOK.quote(*model, at_ns, service_tier=tier, region=region)
    price = quote.price(used, ran)
    lines = quote.lines(used, ran)

    assert all(line.usd >= 0 and line.tokens > 0 for line in lines)
    if not quote.missing(used) and quote.rates is not None:
        with localcontext() as context:
            context.prec = 60
            total = sum((line.usd for line in lines), Decimal(0)) * PICO_PER_USD
            assert abs(total - price.cost) <= Decimal("0.5")


@given(models, times, tiers, tokens, tools)
def test_every_unit_that_was_used_is_priced_or_said_to_be_missing(
    model: tuple[str, str], at_ns: int, tier: str | None, used: TokenCounts, ran: ToolCalls
) -> None:
    quote = BOOK.quote(*model, at_ns, service_tier=tier)
    price = quote.price(used, ran)
    in_lines = {line.kind for line in quote.lines(used, ran)} - {"call"}
    units = {kind for kind in KINDS if getattr(used, kind)}
    units |= {tool for tool in ToolCalls.__struct_fields__ if getattr(ran, tool)}

    if quote.rates is None:
        assert price.state is CostState.UNPRICED
        return
    assert in_lines | set(quote.missing(used, ran)) == units
    assert price.state is not CostState.PRICED or not quote.missing(used, ran)


@given(models, times, tiers, regions, tokens, tools)
def test_the_card_that_the_ledger_keeps_gives_the_same_cost_without_a_catalogue(
    model: tuple[str, str],
    at_ns: int,
    tier: str | None,
    region: str | None,
    used: TokenCounts,
    ran: ToolCalls,
) -> None:
    price = BOOK.price(*model, used, at_ns, service_tier=tier, region=region, tools=ran)
    assert price.card is not None
    terms = read_card(price.card.text)

    if price.state is CostState.UNPRICED:
        assert terms.rates is None or terms.rates.unpriced_in(used)
        return
    assert terms.rates is not None
    charged = terms.rates.charge(used)
    assert charged is not None
    assert charged + terms.rates.charge_tools(ran)[0] == price.cost
    assert terms.source == price.price_source


def result_of(**line: object) -> dict[str, object]:
    result: dict[str, object] = json.loads(PRICER.price(json.dumps(line).encode()))
    return result


small = st.integers(0, 5000)


@given(small, small, small, small)
def test_a_stream_of_openai_s_costs_what_the_whole_answer_costs(
    fresh: int, cached: int, written: int, reasoned: int
) -> None:
    usage = {
        "input_tokens": fresh + cached,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": written + reasoned,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": fresh + cached + written + reasoned,
    }
    call = {"provider": "openai", "model": "gpt-5-2025-08-07", "when": "2026-03-01"}
    done = {"type": "response.completed", "response": {"model": "gpt-5-2025-08-07", "usage": usage}}

    whole = result_of(**call, api="responses", raw_usage=usage)
    streamed = result_of(**call, api="responses_stream", raw_usage=[{"type": "x"}, done])

    assert streamed == whole


@given(small, small, small, small, small)
def test_a_stream_of_anthropic_s_costs_what_the_whole_answer_costs(
    fresh: int, read: int, minutes: int, hour: int, written: int
) -> None:
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": minutes + hour,
        "cache_creation": {
            "ephemeral_5m_input_tokens": minutes,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": written,
    }
    call = {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929", "when": "2026-03-01"}
    start = {"type": "message_start", "message": {"usage": {**usage, "output_tokens": 1}}}
    delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": written}}

    whole = result_of(**call, api="messages", raw_usage=usage)
    streamed = result_of(
        **call, api="messages_stream", raw_usage=[start, delta, {"type": "message_stop"}]
    )

    assert streamed == whole


@given(small, small, small, small)
def test_a_stream_of_gemini_s_costs_what_the_whole_answer_costs(
    fresh: int, cached: int, written: int, thought: int
) -> None:
    usage = {
        "promptTokenCount": fresh + cached,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": written,
        "thoughtsTokenCount": thought,
        "totalTokenCount": fresh + cached + written + thought,
    }
    call = {"provider": "google", "model": "gemini-2.5-pro", "when": "2026-03-01"}
    early = {**usage, "candidatesTokenCount": written // 2}
    early["totalTokenCount"] = fresh + cached + written // 2 + thought
    events = [{"usageMetadata": early}, {"usageMetadata": usage}]

    whole = result_of(**call, api="generateContent", raw_usage=usage)
    streamed = result_of(**call, api="generateContent_stream", raw_usage=events)

    assert streamed == whole
