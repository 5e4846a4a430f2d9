"""``modelmeter import``: calls of another ledger, taken into this one."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from modelmeter.record import Call
    from modelmeter.settings.model import Settings

__all__ = ["import_calls"]

_CALLS_AT_ONCE = 500
_PAUSE_SECONDS = 0.01
"""Between two transactions, so that a gateway on the same ledger gets its turn."""


def import_calls(
    file: Annotated[Path, typer.Argument(help="As `modelmeter export` wrote it.")],
    dry_run: Annotated[bool, typer.Option(help="Say what is new; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger to take them in.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Take calls of another ledger into this one, each once: a second run changes nothing.

    Reports, budgets and the page have them at their own time; counters in Prometheus rise by them
    now. Nothing is written if a line cannot be read. A gateway may run on the ledger meanwhile.
    """
    import contextlib

    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.ledger.database import connect_writer
    from modelmeter.ledger.read_only import connect_reader

    settings = settings_of(config)
    path = ledger or settings.ledger
    calls = sum(1 for _ in _calls(file))
    entered = 0
    connect = connect_reader if dry_run else connect_writer
    console = Console(stderr=True)
    with (
        contextlib.closing(connect(path)) as connection,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        take = _counter(connection) if dry_run else _taker(connection, settings, path)
        task = progress.add_task("calls", total=calls)
        read = _calls(file)
        while chunk := list(islice(read, _CALLS_AT_ONCE)):
            entered += take(chunk)
            progress.advance(task, len(chunk))
    if as_json:
        told = {"calls": calls, "entered": entered, "there": calls - entered, "dry_run": dry_run}
        typer.echo(msgspec.json.encode(told).decode())
    else:
        new = "would be entered" if dry_run else "entered"
        typer.echo(
            f"{calls:,} calls in {file}: {entered:,} {new}, {calls - entered:,} were there already"
        )


def _calls(file: Path) -> Iterator["Call"]:
    """The calls of an export, in their order; SettingsError names a line that cannot be read."""
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.exported_call import LINE_BYTES_MAX, imported
    from modelmeter.record import SystemClock

    now_ns = SystemClock().time_ns()
    try:
        with file.open("rb") as lines:
            number = 0
            while line := lines.readline(LINE_BYTES_MAX):
                number += 1
                if not line.strip():
                    continue
                try:
                    yield imported(line, started_before_ns=now_ns)
                except ValueError as error:
                    raise SettingsError(
                        f"{file}, line {number}: {error}; nothing was taken in"
                    ) from error
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error


def _counter(connection: "sqlite3.Connection") -> "Callable[[Sequence[Call]], int]":
    from modelmeter.ledger.importing import known_ids

    def count(calls: "Sequence[Call]") -> int:
        return len({call.intent.id for call in calls} - known_ids(connection, calls))

    return count


def _taker(
    connection: "sqlite3.Connection", settings: "Settings", path: Path
) -> "Callable[[Sequence[Call]], int]":
    import time

    from modelmeter.budgets.desk import BudgetDesk
    from modelmeter.ledger.importing import take_in
    from modelmeter.ledger.labels import LabelBook
    from modelmeter.ledger.series import SeriesTally
    from modelmeter.meter import refused_call
    from modelmeter.record import SystemClock

    clock, limits = SystemClock(), settings.limits
    budgets = BudgetDesk(path, refused_call)

    labels = LabelBook(
        connection,
        values_max=limits.label_values_max,
        value_bytes_max=limits.label_value_bytes_max,
    )
    tally = SeriesTally(labels)

    def take(calls: "Sequence[Call]") -> int:
        entered = take_in(
            connection, calls, tally=tally, now_ns=clock.time_ns(), reservations=budgets
        )
        time.sleep(_PAUSE_SECONDS)
        return entered

    return take
