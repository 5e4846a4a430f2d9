"""What two gateways decided, replayed: every refusal fits an order of what had happened by then."""

import asyncio
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from time import monotonic

import aiohttp
import msgspec
import pytest
from budget_cases import USD, check_windows, standings
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

CALLS = 60
ROUNDS = 6
LIMIT = "0.0015"
ROOM = 5
"""Fewer calls than fit at once, and are let through in all."""
TABLE = """
[[budgets]]
name = "history"
window = "day"
limit_usd = "{limit}"
"""
NEEDED = re.compile(r"this call at most ([0-9.]+)")
WAIT_SECONDS_MAX = 60.0


class Made(msgspec.Struct, frozen=True):
    """A call that was let through, between its request and its answer's last byte."""

    id: str
    began: float
    ended: float


class Refused(msgspec.Struct, frozen=True):
    """A call that was not, and how its budget stood by the answer."""

    began: float
    ended: float
    needed: Decimal
    spent: Decimal
    reserved: Decimal
    limit: Decimal


async def ask(session: aiohttp.ClientSession, url: str) -> Made | Refused:
    """One call, all alike, so that each holds the same."""
    began = monotonic()
    async with session.post(
        f"{url}/openai/v1/chat/completions",
        json={
            "model": "gpt-4o-mini",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "[[simulate output=20 token_ms=1]]"}],
        },
        headers={"authorization": "Bearer sk-test"},
    ) as answer:
        body = await answer.text()
        ended = monotonic()
    if answer.status == 200:
        return Made(answer.headers["x-modelmeter-call-id"], began, ended)
    assert answer.status == 429
    needed = NEEDED.search(body)
    assert needed is not None
    fields = answer.headers["x-modelmeter-budget-stands"].split(";")
    stands = dict(field.split("=") for field in fields)
    return Refused(
        began,
        ended,
        needed=Decimal(needed.group(1)),
        spent=Decimal(stands["spent"]),
        reserved=Decimal(stands["reserved"]),
        limit=Decimal(stands["limit"]),
    )


@pytest.fixture(name="urls")
def two_gateways(tmp_path: Path) -> Iterator[list[str]]:
    """On one ledger, which is checked once they have ended."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    table = TABLE.format(limit=LIMIT)
    gateways = [
        GatewayProcess(gateway_config(tmp_path, simulator.url, extra=table, name=name), name=name)
        for name in ("first", "second")
    ]
    try:
        for gateway in gateways:
            gateway.start()
        yield [gateway.url for gateway in gateways]
        assert [gateway.stop() for gateway in gateways] == [0, 0]
    finally:
        for gateway in gateways:
            gateway.kill()
        simulator.kill()
    check_ledger(tmp_path / "ledger.db")
    check_windows(tmp_path / "ledger.db")


async def test_every_refusal_fits_an_order_of_what_had_happened(
    urls: list[str], tmp_path: Path
) -> None:
    """Never falsely full: neither amid many calls, nor when all of them have ended."""
    history: list[Made | Refused] = []
    async with asyncio.timeout(WAIT_SECONDS_MAX), aiohttp.ClientSession() as session:
        for _ in range(ROUNDS):
            history += await asyncio.gather(
                *(ask(session, urls[number % 2]) for number in range(CALLS))
            )
        while isinstance(last := await ask(session, urls[0]), Made):
            history.append(last)

    ledger = tmp_path / "ledger.db"
    costs = {
        str(call_id): Decimal(str(cost)) / USD
        for call_id, cost in query(ledger, "SELECT id, cost_pico_usd FROM entry")
    }
    made = [one for one in history if isinstance(one, Made)]
    refused = [one for one in history if isinstance(one, Refused)]
    for one in refused:
        check_refusal(one, made, costs)
    # All is over: what is left is too little for one more, and nothing is held.
    spent = sum(costs.values(), Decimal(0))
    assert standings(ledger) == {"history": (int(spent * USD), 0)}
    assert (last.spent, last.reserved) == (spent, Decimal(0))
    assert last.limit - spent < last.needed
    assert len(made) > ROOM
    assert any(one.reserved for one in refused)


def check_refusal(one: Refused, made: list[Made], costs: dict[str, Decimal]) -> None:
    """It had no room, and its sums are those of some moment between its request and its answer."""
    assert one.spent + one.reserved <= one.limit < one.spent + one.reserved + one.needed
    over = sum(costs[call.id] for call in made if call.ended < one.began)
    under_way = [call for call in made if call.began < one.ended and call.ended > one.began]
    assert over <= one.spent <= over + sum(costs[call.id] for call in under_way)
    holds, rest = divmod(one.reserved, one.needed)
    assert rest == 0
    assert holds <= len(under_way)
