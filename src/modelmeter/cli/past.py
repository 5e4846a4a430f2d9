"""Fills a ledger with the simulator's past, so that long views have something to show."""

import asyncio
import time
from itertools import islice
from random import Random
from typing import Self

from rich.console import Console
from rich.progress import Progress

from modelmeter.ledger import Ledger
from modelmeter.meter import Pricer
from modelmeter.record import (
    CacheMiss,
    Call,
    CostState,
    Intent,
    PicoUsd,
    Status,
    TokenCounts,
    new_call_id,
)
from modelmeter.simulator.agents import demo_agents
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.history import PastCall, past_calls

__all__ = ["write_past"]

_CALLS_AT_ONCE = 2000
_CALLS_A_DAY = 2700
_PLAIN_STEP_PERCENT = 10
"""Between two lines about the progress, where no bar can be shown."""
_REPEATED_SHARES = {"embedding": 0.45, "tools": 0.35, "json": 0.2, "conversation": 0.1}
"""How many calls of an agent's kind ask what was asked before, and the cache answers."""
_HIT_NS = (1_000_000, 6_000_000)


async def write_past(
    ledger: Ledger,
    pricer: Pricer,
    *,
    days: float,
    seed: int,
    stop: asyncio.Event,
    console: Console,
) -> None:
    """Write ``days`` of calls that ended before now, telling how far it is, until ``stop``."""
    random = seeded_random(seed)
    calls = (_entry(past, pricer, random) for past in past_calls(days, time.time_ns(), seed))
    with _Telling(console, days) as telling:
        while not stop.is_set() and (chunk := list(islice(calls, _CALLS_AT_ONCE))):
            await ledger.record_all(chunk)
            telling.advance(len(chunk))
    # Counters begin with the past in them: it is no increase of today.
    await ledger.show_series(time.time_ns())


class _Telling:
    """A progress bar at a terminal, elsewhere a line now and then."""

    def __init__(self, console: Console, days: float) -> None:
        self._console = console
        self._what = f"{days:.0f} days of history"
        self._total = days * _CALLS_A_DAY
        self._done = 0
        self._told_percent = 0
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(self._what, total=self._total)

    def __enter__(self) -> Self:
        self._bar.start()
        self._tell(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, calls: int) -> None:
        self._bar.advance(self._task, calls)
        self._done += calls
        # How many calls there are is only about known, so that the last lines may not come.
        percent = min(100, int(100 * self._done / self._total))
        percent -= percent % _PLAIN_STEP_PERCENT
        if percent > self._told_percent:
            self._tell(percent)

    def _tell(self, percent: int) -> None:
        self._told_percent = percent
        if not self._console.is_terminal:
            self._console.print(f"{self._what}: {percent} %")


def _entry(past: PastCall, pricer: Pricer, random: Random) -> Call:
    call_id = new_call_id(past.started_at_ns)
    price = pricer.price(
        past.provider,
        past.model,
        past.tokens,
        past.started_at_ns,
        model_answered=past.model_answered,
    )
    repeated = random.random() < _REPEATED_SHARE_BY_AGENT.get(past.caller.agent_id, 0.0)
    hit = repeated and past.status is Status.SUCCESS
    duration_ns = random.randint(*_HIT_NS) if hit else past.duration_ns
    return Call(
        intent=Intent(
            id=call_id,
            request_id=call_id,
            attempt=0,
            started_at_ns=past.started_at_ns,
            caller=past.caller,
            provider=past.provider,
            operation=past.operation,
            model=past.model,
            streamed=past.streamed,
            input_bytes=0,
            output_tokens_max=None,
            cache_miss=None if hit else CacheMiss.FIRST_SEEN,
        ),
        status=past.status,
        error_type=past.error_type,
        http_status=past.http_status,
        provider_request_id=None,
        duration_ns=duration_ns,
        time_to_first_token_ns=duration_ns // 2 if hit else past.time_to_first_token_ns,
        model_answered=past.model_answered,
        tokens=TokenCounts() if hit else past.tokens,
        cost=PicoUsd(0) if hit else price.cost,
        cost_state=price.state if past.tokens.total else CostState.PRICED,
        priced_model=price.priced_model,
        price_source=price.price_source,
        cached=hit,
        cost_saved=price.cost if hit else PicoUsd(0),
    )


_REPEATED_SHARE_BY_AGENT = {
    agent.agent_id: _REPEATED_SHARES.get(agent.style, 0.0) for agent in demo_agents()
}
