"""``modelmeter reprice``: past calls at today's knowledge of the price of their own day."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from modelmeter.cli.repricing_sums import RepricingSums
    from modelmeter.ledger.repricing import Change, Repriced, Wanted
    from modelmeter.pricing import PriceBook

__all__ = ["reprice"]

_PAUSE_SECONDS = 0.01
"""Between two transactions, so that a gateway on the same ledger gets its turn."""


def reprice(
    from_: Annotated[str, typer.Option("--from", help="First day or ISO time.")],
    to: Annotated[
        str | None, typer.Option(help="Last day (with it), or ISO time (without it); else now.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Only this one, as requested, answered or priced.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Only to this provider.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would change; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Price past calls again, by what is known today of the price of their own day.

    Entries are never changed: corrections are added, and sums, reports and metrics follow them.
    A second run changes nothing more. A gateway may run on the same ledger meanwhile.
    """
    import contextlib
    from zoneinfo import ZoneInfo

    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.ledger.database import connect_writer
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.wiring import price_book

    settings = settings_of(config, prices=True)
    path = ledger or settings.ledger
    zone = ZoneInfo(settings.time_zone)
    wanted = _wanted(from_, to, zone, model, provider)
    # A file that is not there is told, not made.
    reader = connect_reader(path)
    book = price_book(settings)
    with contextlib.closing(reader):
        if dry_run:
            sums = _run(reader, None, book, wanted, zone)
        else:
            with contextlib.closing(connect_writer(path)) as writer:
                sums = _run(reader, writer, book, wanted, zone)
    if as_json:
        typer.echo(sums.as_json(dry_run=dry_run))
    else:
        sums.print_tables(dry_run=dry_run)


def _wanted(
    first: str, last: str | None, zone: "ZoneInfo", model: str | None, provider: str | None
) -> "Wanted":
    from datetime import UTC, datetime

    from modelmeter.ledger.repricing import Wanted
    from modelmeter.ledger.windows import window

    now = datetime.now(UTC)
    start, end = window(f"{first}..{last or now.isoformat()}", now, zone)
    return Wanted(
        since_ns=int(start.timestamp()) * 10**9,
        until_ns=int(end.timestamp()) * 10**9,
        model=model,
        provider=provider,
    )


def _run(
    reader: "sqlite3.Connection",
    writer: "sqlite3.Connection | None",
    book: "PriceBook",
    wanted: "Wanted",
    zone: "ZoneInfo",
) -> "RepricingSums":
    from rich.console import Console
    from rich.progress import Progress

    from modelmeter.cli.repricing_sums import RepricingSums
    from modelmeter.ledger.repricing import count_entries, plan

    sums = RepricingSums(zone)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("entries", total=count_entries(reader, wanted))
        for page in plan(reader, book, wanted):
            sums.add(page, [] if writer is None else _write(writer, page))
            progress.advance(task, page.entries)
    return sums


def _write(writer: "sqlite3.Connection", page: "Repriced") -> "Iterable[Change]":
    """Write a page's corrections; those that another process made meanwhile are given back."""
    import time

    from modelmeter.budgets.corrections import correct_windows
    from modelmeter.ledger.repricing import write
    from modelmeter.record import SystemClock

    if not page.changes:
        return []
    late = write(writer, page.changes, SystemClock().time_ns, follow=correct_windows)
    time.sleep(_PAUSE_SECONDS)
    return late
