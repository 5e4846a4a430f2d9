"""Prices a file of usages, a line each, as they stream by."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from modelmeter.errors import SettingsError
from modelmeter.pricing.book import PriceBook
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.record import SystemClock

__all__ = ["LINE_BYTES_MAX", "price_file"]

LINE_BYTES_MAX = 16 * 1024 * 1024
"""A line of usage; a longer one is told as unreadable."""
_STEP_LINES = 2000


def price_file(source: Path, book: PriceBook) -> None:
    """
    Write the result of each line of ``source`` ("-": standard input) to standard output.

    Raises:
        SettingsError: the file cannot be read.
    """
    pricer = LinePricer(book, SystemClock().time_ns)
    console = Console(stderr=True, highlight=False)
    if str(source) == "-":
        _price_all(sys.stdin.buffer, None, pricer, console)
    else:
        try:
            with source.open("rb") as file:
                _price_all(file, source.stat().st_size, pricer, console)
        except OSError as error:
            raise SettingsError(f"cannot read {source}: {error.strerror}") from error
    if pricer.unreadable:
        console.print(f"{pricer.unreadable:,} lines could not be read; each says why.")


def _price_all(file: BinaryIO, size: int | None, pricer: LinePricer, console: Console) -> None:
    columns = (TextColumn("{task.fields[lines]:,} lines"), BarColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    out = sys.stdout.buffer
    with progress:
        task = progress.add_task("", total=size, lines=0)
        done, seen, results = 0, 0, []
        for line in _lines(file):
            seen += len(line)
            if not line.strip():
                continue
            results.append(pricer.price(line))
            if len(results) >= _STEP_LINES:
                done += len(results)
                out.write(b"\n".join(results) + b"\n")
                results.clear()
                progress.update(task, completed=seen, lines=done)
        if results:
            out.write(b"\n".join(results) + b"\n")
    out.flush()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long, its beginning, which is no JSON."""
    while line := file.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                continue
        yield line
