"""What budgets cost a call: the ledger's work with none, with some, and without the feature."""

import asyncio
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from modelmeter.budgets.budget import AtLimit, Budget, Scope, Unit
from modelmeter.budgets.definitions import set_budget
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.reservations import Opening
from modelmeter.meter import refused_call
from modelmeter.record import (
    Call,
    CallBound,
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

_CALLS = 4_000
_AT_ONCE = 32
_ROUNDS = 5
_WAYS = ("without the feature", "no budget set", "three budgets apply")
_SCOPES = (Scope(), Scope(team="team"), Scope(agent="team.agent"))
_BOUND = CallBound(cost=PicoUsd(10**9), tokens=1200, output_tokens=200)


def main() -> None:
    """Print the median processor time of a call in each way, and how they compare."""
    times: dict[str, list[float]] = {way: [] for way in _WAYS}
    for _ in range(_ROUNDS):
        for way in _WAYS:
            with tempfile.TemporaryDirectory() as folder:
                times[way].append(asyncio.run(_round(Path(folder) / "ledger.db", way)))
    base = statistics.median(times[_WAYS[0]])
    print(f"{_CALLS:,} calls, {_AT_ONCE} at once, median of {_ROUNDS} rounds")
    for way in _WAYS:
        median = statistics.median(times[way])
        print(f"{way:22} {median:7.1f} µs of processor time a call   {median / base:.2f} x")


async def _round(path: Path, way: str) -> float:
    """Microseconds of processor time a call, event loop and writer together."""
    connect_writer(path).close()
    if way == _WAYS[2]:
        _set_budgets(path)
    desk = None if way == _WAYS[0] else BudgetDesk(path, refused_call)
    writer = LedgerWriter(path, clock=SystemClock(), lost_call=_never_lost, reservations=desk)
    ledger = Ledger(writer, wait_seconds=60)
    holds = way == _WAYS[2]
    try:
        started = time.process_time()
        await asyncio.gather(
            *(_calls(ledger, _CALLS // _AT_ONCE, holds=holds) for _ in range(_AT_ONCE))
        )
        return (time.process_time() - started) / _CALLS * 1e6
    finally:
        writer.close()


def _set_budgets(path: Path) -> None:
    connection = connect_writer(path)
    for number, scope in enumerate(_SCOPES):
        budget = Budget(
            name=f"budget-{number}",
            scope=scope,
            window=Window(WindowKind.DAY, "Europe/Stockholm"),
            unit=Unit.USD,
            limit=Decimal(1_000_000),
            at_limit=AtLimit.BLOCK,
        )
        set_budget(connection, budget, time.time_ns())
    connection.close()


async def _calls(ledger: Ledger, count: int, *, holds: bool) -> None:
    for _ in range(count):
        intent = _intent(_BOUND if holds else None)
        await ledger.open(Opening(intent) if holds else intent)
        await ledger.settle(_call(intent))


def _intent(bound: CallBound | None) -> Intent:
    now_ns = time.time_ns()
    call_id = new_call_id(now_ns)
    return Intent(
        id=call_id,
        request_id=call_id,
        attempt=0,
        started_at_ns=now_ns,
        caller=Caller(agent_id="team.agent", team="team"),
        provider="openai",
        operation=Operation.CHAT,
        model="gpt-4o",
        streamed=False,
        input_bytes=1000,
        output_tokens_max=200,
        bound=bound,
    )


def _call(intent: Intent) -> Call:
    return Call(
        intent=intent,
        status=Status.SUCCESS,
        error_type=None,
        http_status=200,
        provider_request_id=None,
        duration_ns=700_000_000,
        time_to_first_token_ns=None,
        model_answered=None,
        tokens=TokenCounts(input=900, output=100),
        cost=PicoUsd(3 * 10**8),
        cost_state=CostState.PRICED,
        priced_model="gpt-4o",
        price_source="bench",
    )


def _never_lost(intent: Intent) -> Call:
    return _call(intent)


if __name__ == "__main__":
    main()
