"""``modelmeter cache``: what the response cache brings, and forgetting its answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from modelmeter.cache.advice import CacheAdvice
    from modelmeter.ledger.cache_figures import CacheUse
    from modelmeter.settings.model import Settings

__all__ = ["app"]

app = typer.Typer(
    help="What the response cache brings, and forgetting its answers.", no_args_is_help=True
)

Usage = dict[str, tuple[int, int]]

_NAMELESS = "default"
"""How the tenant without a name is shown, as in the metrics."""
_NO_CALLS = (
    "No call in this window was one for which caching is configured. Set `enabled = true` in\n"
    "[cache], and see that no rule of [[cache.rules]] turns it off."
)


@app.command("stats")
def stats(
    window: Annotated[
        str, typer.Option(help="today, yesterday, week, month, 24h, 7d, 30d or FROM..TO.")
    ] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Show hit rates by agent, why calls missed, what the cache holds, and what would help.

    Calls for which no caching is configured count as neither hits nor misses.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from modelmeter.cache.advice import cache_advice
    from modelmeter.cli.ledger_option import ledger_and_zone
    from modelmeter.ledger.cache_figures import cache_use
    from modelmeter.ledger.cache_table import cache_usage
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.ledger.usage import Span
    from modelmeter.ledger.windows import window as span_of

    path, zone = ledger_and_zone(ledger, config)
    start, end = span_of(window, datetime.now(UTC), ZoneInfo(zone))
    connection = connect_reader(path)
    try:
        uses = cache_use(connection, Span(_ns(start), _ns(end)))
        usage = cache_usage(connection)
    finally:
        connection.close()
    advice = cache_advice(uses)
    if as_json:
        typer.echo(_json(uses, usage, advice, start, end))
    else:
        _print(uses, usage, advice, f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}")


@app.command("clear", no_args_is_help=True)
def clear(
    tenant: Annotated[
        str | None, typer.Option(help="Whose answers; `default` is the tenant without a name.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="The answers of all tenants.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Forget stored answers of a tenant, or of all.

    A Redis is cleared at once; gateways that keep answers in memory do it within a few seconds.
    """
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.errors import SettingsError

    if (tenant is None) is not everyone:
        raise SettingsError("name one tenant with --tenant, or all of them with --all")
    settings = settings_of(config, secrets=["cache"])
    tenants: list[str | None] = [tenant]
    if tenant == _NAMELESS:
        tenants.append("")
    whose = "all tenants" if tenant is None else f"tenant {tenant!r}"
    if settings.cache.in_memory:
        _order(ledger or settings.ledger, tenants)
        typer.echo(f"Every gateway on this ledger forgets the answers of {whose} in a moment.")
    else:
        count = _clear_store(settings, tenants)
        noun = "answer" if count == 1 else "answers"
        typer.echo(f"Forgotten: {count:,} {noun} of {whose}.")


def _ns(moment: "datetime") -> int:
    return round(moment.timestamp() * 1_000_000) * 1000


def _order(ledger: Path, tenants: list[str | None]) -> None:
    import sqlite3

    from modelmeter.errors import LedgerUnavailableError
    from modelmeter.ledger.cache_table import order_clearing
    from modelmeter.ledger.database import connect_writer
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.record import SystemClock

    # A mistyped name must not make a new ledger.
    connect_reader(ledger).close()
    connection = connect_writer(ledger)
    try:
        for tenant in tenants:
            order_clearing(connection, tenant, SystemClock().time_ns())
    except sqlite3.Error as error:
        raise LedgerUnavailableError(f"cannot write the ledger {ledger}: {error}") from error
    finally:
        connection.close()


def _clear_store(settings: "Settings", tenants: list[str | None]) -> int:
    import asyncio

    from modelmeter.cache.opening import open_store
    from modelmeter.record import SystemClock

    async def clear_all() -> int:
        store = open_store(settings.cache, SystemClock())
        try:
            return sum([await store.clear(tenant) for tenant in tenants])
        finally:
            await store.close()

    return asyncio.run(clear_all())


def _print(uses: "list[CacheUse]", usage: Usage, advice: "list[CacheAdvice]", span: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from modelmeter.cli.figures import count_text, inert, money_text

    console = Console(highlight=False)
    if not uses:
        console.print(_NO_CALLS, markup=False)
    else:
        table = Table(title=f"Response cache, {span}", title_justify="left")
        table.add_column("agent", overflow="fold")
        for name in ("calls", "hits", "hit rate", "saved"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("misses, by why", overflow="fold")
        for use in sorted(uses, key=lambda use: (-use.saved, use.agent_id)):
            reasons = sorted(use.misses.items(), key=lambda miss: (-miss[1], miss[0]))
            table.add_row(
                Text(inert(use.agent_id)),
                f"{use.calls:,}",
                f"{use.hits:,}",
                f"{use.hit_rate_percent:.0f} %",
                money_text(use.saved),
                ", ".join(f"{reason} {count:,}" for reason, count in reasons),
            )
        console.print(table)
    for tenant, (answers, size) in usage.items():
        name = inert(tenant) or _NAMELESS
        noun = "answer" if answers == 1 else "answers"
        text = f"{name}: {answers:,} {noun}, {count_text(size)} bytes in the cache"
        console.print(text, markup=False)
    for line in advice:
        text = f"{inert(line.agent_id)}, {line.hit_rate_percent:.0f} % hits: {line.text}"
        console.print(text, markup=False, style="yellow")


def _json(
    uses: "list[CacheUse]",
    usage: Usage,
    advice: "list[CacheAdvice]",
    start: "datetime",
    end: "datetime",
) -> str:
    import msgspec

    from modelmeter.record import usd_text

    return msgspec.json.encode(
        {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "agents": [
                {
                    "agent": use.agent_id,
                    "calls": use.calls,
                    "hits": use.hits,
                    "hit_rate_percent": round(use.hit_rate_percent, 2),
                    "saved_usd": usd_text(use.saved),
                    "misses": use.misses,
                }
                for use in uses
            ],
            "tenants": [
                {"tenant": tenant, "answers": answers, "bytes": size}
                for tenant, (answers, size) in usage.items()
            ],
            "advice": [
                {
                    "agent": line.agent_id,
                    "reason": line.reason,
                    "share_percent": round(line.share_percent, 2),
                    "text": line.text,
                }
                for line in advice
            ],
        }
    ).decode()
