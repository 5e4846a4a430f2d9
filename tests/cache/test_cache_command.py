"""``modelmeter cache``: figures of a running gateway, advice, and forgetting answers."""

import asyncio
import json
from pathlib import Path

import pytest
from cached_gateway import CachedGateway, cached, prompt_of
from typer.testing import CliRunner, Result

from modelmeter.cli import app
from modelmeter.errors import LedgerUnavailableError, SettingsError

_FIXTURES = cached
SECONDS_MAX = 60


async def run(cached: CachedGateway, *words: str) -> Result:
    """The command on the gateway's configuration."""
    config = str(cached.ledger.with_name("gateway.toml"))
    command = ["cache", *words, "--config", config]
    result = await asyncio.to_thread(
        lambda: CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    )
    assert result.exit_code == 0, result.output
    return result


async def test_stats_tell_hits_savings_reasons_contents_and_what_would_help(
    cached: CachedGateway,
) -> None:
    agent = {"x-agent-id": "sales.unique"}
    for _ in range(25):
        await cached.call(prompt_of(), agent)
    body = prompt_of("output=30 input=50")
    for _ in range(3):
        await cached.call(body, agent | {"x-tenant-id": "acme"})

    async with asyncio.timeout(SECONDS_MAX):
        while True:
            told = json.loads((await run(cached, "stats", "--json")).output)
            tenants = {row["tenant"]: row for row in told["tenants"]}
            if "acme" in tenants:
                break
            await asyncio.sleep(0.1)

    (figures,) = [row for row in told["agents"] if row["agent"] == "sales.unique"]
    assert figures == {
        "agent": "sales.unique",
        "calls": 28,
        "hits": 2,
        "hit_rate_percent": 7.14,
        "saved_usd": "0.00085",
        "misses": {"first_seen": 26},
    }
    assert tenants["acme"]["answers"] == 1
    assert tenants["acme"]["bytes"] > 500
    assert [(line["agent"], line["reason"]) for line in told["advice"]] == [
        ("sales.unique", "first_seen")
    ]
    shown = (await run(cached, "stats")).output
    assert "first_seen 26" in shown
    assert "acme: 1 answer, " in shown
    assert "sales.unique, 7 % hits: 100 % of its misses" in shown


async def test_clearing_a_tenant_leaves_the_others(cached: CachedGateway) -> None:
    body = prompt_of()
    tenants = ("acme", "globex")
    for tenant in tenants:
        await cached.call(body, {"x-tenant-id": tenant})

    said = (await run(cached, "clear", "--tenant", "acme")).output

    assert "'acme'" in said
    # Gateways that keep answers in memory look for such orders every few seconds.
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            acme, globex = [await cached.call(body, {"x-tenant-id": name}) for name in tenants]
            assert globex.cache == "hit"
            if acme.cache == "miss":
                break
            await asyncio.sleep(0.1)


async def test_clearing_all_leaves_nothing(cached: CachedGateway) -> None:
    body = prompt_of()
    await cached.call(body)

    await run(cached, "clear", "--all")

    async with asyncio.timeout(SECONDS_MAX):
        while (await cached.call(body)).cache != "miss":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("words", [["--tenant", "acme", "--all"], []])
def test_what_is_to_be_cleared_must_be_said(words: list[str], tmp_path: Path) -> None:
    ledger = ["--ledger", str(tmp_path / "none.db")]

    result = CliRunner().invoke(app, ["cache", "clear", *words, *ledger])

    assert isinstance(result.exception, SettingsError)


def test_a_mistyped_ledger_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"

    result = CliRunner().invoke(app, ["cache", "clear", "--all", "--ledger", str(path)])

    assert isinstance(result.exception, LedgerUnavailableError)
    assert not path.exists()
