"""Microseconds to price one call of a model seen before, beside the catalogue's own calculation."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench.price_cases import all_cases
from modelmeter.pricing import PriceBook
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.record import TokenCounts

__all__ = ["main", "speed_lines"]

_MODELS = (
    ("openai", "openai", "gpt-4o-2024-08-06"),
    ("openai", "openai", "gpt-5.4-2026-03-05"),
    ("anthropic", "anthropic", "claude-sonnet-4-5-20250929"),
    ("genai", "google", "gemini-2.5-pro"),
    ("bedrock", "aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
)
_TOKENS = TokenCounts(input=1000, cache_read=2048, output=300, reasoning=128)
_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
_AT_NS = int(_AT.timestamp()) * 10**9
_BOOK_CALLS = 20_000
_CATALOGUE_CALLS = 1_000
_ROUNDS = 5
_FILE_REPEATS = 20
_GOAL_US = 5.0


def main() -> None:
    """Print a line a model: the best of some rounds, both sides taking turns."""
    print(speed_lines())


def speed_lines() -> str:
    """A line a model, and how long a million usages of a file take."""
    book = PriceBook()
    lines = [f"{'model':<46}{'book µs':>9}{'catalogue µs':>14}{'ratio':>8}"]
    for provider, catalogue_provider, model in _MODELS:
        book_us, catalogue_us = _compare(book, provider, catalogue_provider, model)
        ratio = catalogue_us / book_us
        lines.append(f"{model:<46}{book_us:>9.2f}{catalogue_us:>14.1f}{ratio:>7.0f}x")
    lines.append(f"goal: at most {_GOAL_US:g} µs for a model seen before")
    seconds = _microseconds_a_line()
    lines.append(
        f"a usage of a file: {seconds:.1f} µs of the processor, a million: {seconds:.0f} s"
    )
    return "\n".join(lines)


def _microseconds_a_line() -> float:
    """Of the processor's time, over the cases that tests rest on; goal: 60 s a million."""
    pricer = LinePricer(PriceBook({"azure": "azure"}), time.time_ns)
    lines = [json.dumps(case.line).encode() for case in all_cases()]
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        for _ in range(_FILE_REPEATS):
            for line in lines:
                pricer.price(line)
        best = min(best, (time.process_time() - started) / (_FILE_REPEATS * len(lines)))
    return best * 1e6


def _compare(
    book: PriceBook, provider: str, catalogue_provider: str, model: str
) -> tuple[float, float]:
    from genai_prices import Usage
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    snapshot = DataSnapshot(providers=providers, from_auto_update=False)

    def by_book() -> None:
        book.price(provider, model, _TOKENS, _AT_NS, model_answered=model, service_tier="default")

    def by_catalogue() -> None:
        usage = Usage(
            input_tokens=_TOKENS.input + _TOKENS.cache_read,
            cache_read_tokens=_TOKENS.cache_read,
            output_tokens=_TOKENS.output + _TOKENS.reasoning,
            output_reasoning_tokens=_TOKENS.reasoning,
        )
        snapshot.calc(usage, model, catalogue_provider, None, _AT)

    rounds = [
        (_microseconds(by_book, _BOOK_CALLS), _microseconds(by_catalogue, _CATALOGUE_CALLS))
        for _ in range(_ROUNDS)
    ]
    return min(book for book, _ in rounds), min(catalogue for _, catalogue in rounds)


def _microseconds(price: Callable[[], None], calls: int) -> float:
    """Of the processor's time, so that neighbours on the machine do not count."""
    price()
    started = time.process_time()
    for _ in range(calls):
        price()
    return (time.process_time() - started) / calls * 1e6


if __name__ == "__main__":
    main()
