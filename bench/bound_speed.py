"""Microseconds to bound the cost of one call, by the kind of its body."""

import json
import time
from collections.abc import Callable

from modelmeter.budgets.bound import DemandBound
from modelmeter.budgets.contract import BoundRequest
from modelmeter.pricing import PriceBook
from modelmeter.providers import PROVIDER_KINDS, dialect_for
from modelmeter.record import Operation

__all__ = ["main"]

_AT_NS = 1_790_000_000_000_000_000
_CALLS = 2_000
_ROUNDS = 5
_TURNS = 10
_TEXT = "word " * 80
_MESSAGES = [
    {"role": "assistant" if turn % 2 else "user", "content": _TEXT} for turn in range(_TURNS)
]
_TOOL = {
    "type": "function",
    "function": {
        "name": "route_ticket",
        "description": "Gives a ticket to the people who can answer it.",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}, "priority": {"type": "integer"}},
        },
    },
}
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 300_000}}
_BODIES: tuple[tuple[str, str, str, object], ...] = (
    ("chat, one message", "openai", "gpt-4o", {"messages": _MESSAGES[:1]}),
    ("chat, ten messages", "openai", "gpt-4o", {"messages": _MESSAGES}),
    ("chat, five tools", "openai", "gpt-4o", {"messages": _MESSAGES, "tools": [_TOOL] * 5}),
    ("chat, an image", "openai", "gpt-4o", {"messages": [{"role": "user", "content": [_IMAGE]}]}),
    ("messages, ten", "anthropic", "claude-sonnet-4-5", {"messages": _MESSAGES}),
    (
        "converse, ten messages",
        "bedrock",
        "amazon.nova-pro-v1:0",
        {"messages": [{"role": "user", "content": [{"text": _TEXT}]}] * _TURNS},
    ),
    (
        "generateContent, ten turns",
        "genai",
        "gemini-2.5-pro",
        {"contents": [{"role": "user", "parts": [{"text": _TEXT}]}] * _TURNS},
    ),
)


def main() -> None:
    """Print a line a body: the best of some rounds."""
    dialects = {kind: dialect_for(kind) for kind in PROVIDER_KINDS}
    bound = DemandBound(PriceBook({kind: kind for kind in dialects}), dialects.__getitem__)
    print(f"{'body':<30}{'bytes':>9}{'µs':>8}")
    for name, kind, model, fields in _BODIES:
        request = BoundRequest(
            provider=kind,
            kind=kind,
            operation=Operation.CHAT,
            model=model,
            body=json.dumps(fields).encode(),
            output_tokens_max=2048,
            at_ns=_AT_NS,
        )
        best = min(_microseconds(bound.bound, request) for _ in range(_ROUNDS))
        print(f"{name:<30}{len(request.body):>9}{best:>8.1f}")


def _microseconds(bound: Callable[[BoundRequest], object], request: BoundRequest) -> float:
    bound(request)
    started = time.perf_counter()
    for _ in range(_CALLS):
        bound(request)
    return (time.perf_counter() - started) / _CALLS * 1e6


if __name__ == "__main__":
    main()
