"""Fills a ledger with the simulator's past, so that long views have something to show."""

import asyncio
import time
from itertools import islice

from rich.progress import Progress

from modelmeter.ledger import Ledger
from modelmeter.meter import Pricer
from modelmeter.record import Call, CostState, Intent, new_call_id
from modelmeter.simulator.history import PastCall, past_calls

__all__ = ["write_past"]

_CALLS_AT_ONCE = 2000
_CALLS_A_DAY = 2700


async def write_past(
    ledger: Ledger, pricer: Pricer, *, days: float, seed: int, stop: asyncio.Event
) -> None:
    """Write ``days`` of calls that ended before now, with a progress bar, until ``stop``."""
    calls = (_entry(past, pricer) for past in past_calls(days, time.time_ns(), seed))
    with Progress(transient=True) as progress:
        task = progress.add_task(f"{days:.0f} days of history", total=days * _CALLS_A_DAY)
        while not stop.is_set() and (chunk := list(islice(calls, _CALLS_AT_ONCE))):
            await ledger.record_all(chunk)
            progress.advance(task, len(chunk))


def _entry(past: PastCall, pricer: Pricer) -> Call:
    call_id = new_call_id(past.started_at_ns)
    price = pricer.price(
        past.provider,
        past.model,
        past.tokens,
        past.started_at_ns,
        model_answered=past.model_answered,
    )
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
        ),
        status=past.status,
        error_type=past.error_type,
        http_status=past.http_status,
        provider_request_id=None,
        duration_ns=past.duration_ns,
        time_to_first_token_ns=past.time_to_first_token_ns,
        model_answered=past.model_answered,
        tokens=past.tokens,
        cost=price.cost,
        cost_state=price.state if past.tokens.total else CostState.PRICED,
        priced_model=price.priced_model,
        price_source=price.price_source,
    )
