"""Usage as providers report it, and what they bill for it, each case with its source."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from modelmeter.pricing import PriceBook
from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for
from modelmeter.record import CostState, Operation, TokenCounts, usd_text

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("cost_cases.jsonl").read_text().splitlines()
]
KINDS = {"google": "genai", "azure": "openai"}
OPERATIONS = {
    "chat": Operation.CHAT,
    "responses": Operation.RESPONSES,
    "embeddings": Operation.EMBEDDINGS,
    "messages": Operation.MESSAGES,
    "converse": Operation.CONVERSE,
    "invoke_model": Operation.INVOKE_MODEL,
}
BOOK = PriceBook({"azure": "azure"})


def answer_of(case: Mapping[str, object]) -> tuple[bytes, str]:
    """The body of an answer with the case's usage, and its content type."""
    usage = case["raw_usage"]
    if isinstance(usage, list):
        events = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in usage)
        return events, "text/event-stream"
    whole = case.get("raw_response")
    body: dict[str, object] = dict(whole) if isinstance(whole, dict) else {}
    if isinstance(usage, dict) and "metadata" in usage:
        usage = usage["metadata"]["usage"]
    body["usageMetadata" if case["provider"] == "google" else "usage"] = usage
    return json.dumps(body).encode(), "application/json"


def facts_of(case: Mapping[str, object]) -> ResponseFacts:
    """What the dialect understands of the case's answer."""
    provider = str(case["provider"])
    body, content_type = answer_of(case)
    request = RequestFacts(
        operation=OPERATIONS.get(
            str(case["api"]).removesuffix("_stream"), Operation.GENERATE_CONTENT
        ),
        model=str(case["model"]),
        streamed=isinstance(case["raw_usage"], list),
        output_tokens_max=None,
        upstream_body=b"",
    )
    head = AnswerHead(
        int(str(case.get("http_status", 200))), [(b"content-type", content_type.encode())]
    )
    observer = dialect_for(KINDS.get(provider, provider)).observe(request, head)
    observer.feed(body)
    observer.end()
    return observer.facts()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_a_usage_costs_what_its_provider_bills(case: dict[str, str]) -> None:
    facts = facts_of(case)
    provider = {"google": "genai"}.get(case["provider"], case["provider"])

    price = BOOK.price(
        provider,
        case["model"],
        facts.tokens or TokenCounts(),
        int(datetime.fromisoformat(case["when"]).timestamp()) * 10**9,
        model_answered=facts.model_answered,
        service_tier=facts.service_tier or case["tier"],
        region=case.get("region"),
        tools=facts.tools,
    )

    if case["expected_status"] == "unknown":
        assert (price.state, price.cost) == (CostState.UNPRICED, 0)
    elif case["expected_status"] == "zero":
        assert (facts.tokens, price.cost) == (None, 0)
    else:
        assert price.state is CostState.PRICED
        assert Decimal(usd_text(price.cost)) == Decimal(case["expected_usd"])
