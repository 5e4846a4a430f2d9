"""``modelmeter export``: every call of a ledger, for other programs and other ledgers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from modelmeter.ledger.reader import CallFilter

__all__ = ["export_calls"]

_STEP_ROWS = 1000


def export_calls(
    window: Annotated[
        str | None,
        typer.Option(
            help="today, yesterday, week, month, 24h, 7d, 30d, 90d or FROM..TO; else all."
        ),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    team: Annotated[str | None, typer.Option(help="Only of this team.")] = None,
    model: Annotated[str | None, typer.Option(help="Only on this model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only to this provider.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; else the terminal.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Write every call, one JSON object a line, with its exact cost by today's knowledge.

    `modelmeter import` takes the lines into another ledger.
    """
    import contextlib
    import sys
    from zoneinfo import ZoneInfo

    from modelmeter.cli.ledger_option import ledger_and_zone
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.reader import CallFilter

    path, zone_name = ledger_and_zone(ledger, config)
    wanted = _between(
        CallFilter(agent=agent, team=team, model=model, provider=provider, tenant=tenant),
        window,
        ZoneInfo(zone_name),
    )
    if output is None:
        with contextlib.suppress(BrokenPipeError):
            _write(path, wanted, sys.stdout, as_csv=as_csv)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            _write(path, wanted, file, as_csv=as_csv)
    except OSError as error:
        raise SettingsError(f"cannot write {output}: {error.strerror}") from error


def _between(wanted: "CallFilter", window: str | None, zone: "ZoneInfo") -> "CallFilter":
    from datetime import UTC, datetime

    import msgspec

    from modelmeter.ledger.windows import window as span_of

    if window is None:
        return wanted
    start, end = span_of(window, datetime.now(UTC), zone)
    return msgspec.structs.replace(
        wanted,
        since_ns=int(start.timestamp()) * 10**9,
        until_ns=int(end.timestamp()) * 10**9,
    )


def _write(path: Path, wanted: "CallFilter", out: TextIO, *, as_csv: bool) -> None:
    import contextlib

    from rich.console import Console
    from rich.progress import Progress

    from modelmeter.ledger.exporting import exported_calls
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.ledger.repricing import Wanted, count_entries

    console = Console(stderr=True)
    quiet = out.isatty() or not console.is_terminal
    span = Wanted(since_ns=wanted.since_ns, until_ns=wanted.until_ns)
    with (
        contextlib.closing(connect_reader(path)) as connection,
        Progress(console=console, transient=True, disable=quiet) as progress,
    ):
        task = progress.add_task("calls", total=count_entries(connection, span))
        rows = exported_calls(connection, wanted)
        texts = _csv_lines(rows) if as_csv else _json_lines(rows)
        for number, text in enumerate(texts, start=1):
            out.write(text)
            if number % _STEP_ROWS == 0:
                progress.update(task, completed=number)
        out.flush()


def _json_lines(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    import msgspec

    encode = msgspec.json.Encoder().encode
    for row in rows:
        yield encode(row).decode() + "\n"


def _csv_lines(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    """With the time as people read it in front, and without the rates, which are no cell."""
    from modelmeter.ledger.exported_call import COLUMNS
    from modelmeter.web.csv_text import csv_text

    columns = [name for name in COLUMNS if name != "rate_card"]
    yield csv_text([["started_at", *columns]])
    for row in rows:
        yield csv_text([[_moment(row), *(_cell(row[name]) for name in columns)]])


def _moment(row: dict[str, object]) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(int(str(row["started_at_ns"])) // 10**9, UTC)
    return moment.isoformat(timespec="seconds")


def _cell(value: object) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)
