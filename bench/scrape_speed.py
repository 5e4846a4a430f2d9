"""Work to render /metrics with 2,000 label sets, in ms, beside prometheus_client's registry."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.series import DURATION_EDGES_SECONDS, FIRST_TOKEN_EDGES_SECONDS
from modelmeter.ledger.series_reader import read_series
from modelmeter.metrics import Exposition
from modelmeter.record import (
    TOKEN_TYPES,
    Call,
    Caller,
    CostState,
    Intent,
    Operation,
    PicoUsd,
    Status,
    SystemClock,
    TokenCounts,
    new_call_id,
)

__all__ = ["main"]

_AGENTS = 100
_MODELS = 20
"""Agents times models: 2,000 label sets of agent, model and provider."""
_ROUNDS = 9
_GOAL_MS = 100.0
_LOOK_SECONDS = 0.001
_TOKENS = TokenCounts(input=1000, cache_read=2048, output=300, reasoning=128)


def main() -> None:
    """Print the median of some rounds of each way, and how long a scrape holds up an event loop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        asyncio.run(_fill(path))
        connection = connect_reader(path)
        exposition = Exposition(version="bench")

        def scrape() -> bytes:
            return exposition.render(read_series(connection), "")[0]

        started = time.thread_time()
        text = scrape()
        first_ms = (time.thread_time() - started) * 1e3
        ours_ms = _median_ms(scrape)
        held_ms = asyncio.run(_longest_hold_ms(scrape))
        connection.close()
    registry = _registry()
    theirs_ms = _median_ms(lambda: generate_latest(registry))
    lines = len(text.splitlines())
    print(f"{_AGENTS * _MODELS:,} label sets, {lines:,} lines, {len(text):,} bytes")
    print(f"first scrape            {first_ms:8.1f} ms")
    print(f"later scrapes, median   {ours_ms:8.1f} ms   goal: at most {_GOAL_MS:g} ms")
    print(f"longest hold of a loop  {held_ms:8.1f} ms")
    print(f"prometheus_client       {theirs_ms:8.1f} ms   {theirs_ms / ours_ms:.1f} x")


async def _fill(path: Path) -> None:
    writer = LedgerWriter(path, clock=SystemClock(), lost_call=_never_lost)
    ledger = Ledger(writer, wait_seconds=60)
    try:
        await ledger.record_all(
            [
                _call(f"team{agent % 10}.agent{agent}", f"model-{model}")
                for agent, model in itertools.product(range(_AGENTS), range(_MODELS))
            ]
        )
    finally:
        writer.close()


def _never_lost(intent: Intent) -> Call:
    raise RuntimeError(f"call {intent.id} was never open")


def _call(agent: str, model: str) -> Call:
    now_ns = time.time_ns()
    call_id = new_call_id(now_ns)
    return Call(
        intent=Intent(
            id=call_id,
            request_id=call_id,
            attempt=0,
            started_at_ns=now_ns,
            caller=Caller(agent_id=agent, team=agent.partition(".")[0]),
            provider="openai",
            operation=Operation.CHAT,
            model=model,
            streamed=True,
            input_bytes=4000,
            output_tokens_max=None,
        ),
        status=Status.SUCCESS,
        error_type=None,
        http_status=200,
        provider_request_id=None,
        duration_ns=1_500_000_000,
        time_to_first_token_ns=400_000_000,
        model_answered=model,
        tokens=_TOKENS,
        cost=PicoUsd(3_310_000_000),
        cost_state=CostState.PRICED,
        priced_model=model,
        price_source="bench",
    )


def _registry() -> CollectorRegistry:
    """The same label sets in prometheus_client's own registry."""
    registry = CollectorRegistry()
    names = ("agent_id", "model", "provider")
    requests = Counter("llm_requests", "Calls.", (*names, "status"), registry=registry)
    tokens = Counter("llm_tokens_used", "Tokens.", (*names, "token_type"), registry=registry)
    cost = Counter("llm_cost", "Cost.", names, registry=registry)
    misses = Counter("llm_cache_misses", "Misses.", names[:2], registry=registry)
    duration = Histogram(
        "llm_request_duration_seconds",
        "Duration.",
        names,
        registry=registry,
        buckets=DURATION_EDGES_SECONDS,
    )
    first = Histogram(
        "llm_time_to_first_token_seconds",
        "First token.",
        names,
        registry=registry,
        buckets=FIRST_TOKEN_EDGES_SECONDS,
    )
    counted = dict(zip(TOKEN_TYPES, _TOKENS.by_type(), strict=True))
    for agent, model in itertools.product(range(_AGENTS), range(_MODELS)):
        labels = (f"team{agent % 10}.agent{agent}", f"model-{model}", "openai")
        requests.labels(*labels, "success").inc()
        cost.labels(*labels).inc(0.00331)
        misses.labels(*labels[:2]).inc()
        duration.labels(*labels).observe(1.5)
        first.labels(*labels).observe(0.4)
        for token_type, count in counted.items():
            if count:
                tokens.labels(*labels, token_type).inc(count)
    return registry


def _median_ms(work: Callable[[], object]) -> float:
    """Of the processor's time, so that neighbours on the machine do not count."""
    times = []
    for _ in range(_ROUNDS):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return sorted(times)[_ROUNDS // 2] * 1e3


async def _longest_hold_ms(scrape: Callable[[], object]) -> float:
    """How late an event loop wakes at worst while scrapes run in a thread."""
    longest = 0.0
    scraping = asyncio.ensure_future(asyncio.to_thread(_median_ms, scrape))
    while not scraping.done():
        started = time.perf_counter()
        await asyncio.sleep(_LOOK_SECONDS)
        longest = max(longest, time.perf_counter() - started - _LOOK_SECONDS)
    await scraping
    return longest * 1e3


if __name__ == "__main__":
    main()
