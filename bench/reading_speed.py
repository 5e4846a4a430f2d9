"""
``python -m bench.reading_speed``: the page's overview and reports over ten million calls.

Without ``--ledger`` it makes the ledger first, which takes some minutes and 5 GB.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.large_ledger import AGENTS, CALLS, DAYS, MODELS, make_large_ledger
from bench.machine import describe
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.reader import GroupBy, report
from modelmeter.ledger.windows import window
from modelmeter.pricing import PriceBook
from modelmeter.web.access import Viewer
from modelmeter.web.advice import advice
from modelmeter.web.asking import UsageQuery, Window, asked
from modelmeter.web.breakdown import breakdown
from modelmeter.web.marks import marks
from modelmeter.web.measures import Metric, Quantile
from modelmeter.web.over_time import By, series
from modelmeter.web.overview import summary

__all__ = ["main"]

RESULTS = Path(__file__).parent / "READING.md"
GOAL_MS = 200.0

_LAST_CALL = "SELECT max(started_at_ns) FROM entry"
_ROUNDS = 5
_ZONES = ("UTC", "Europe/Stockholm", "Asia/Kolkata")
_LINES = (
    (Metric.COST, By.NONE),
    (Metric.SUCCESS_RATE, By.NONE),
    (Metric.REQUESTS, By.AGENT),
    (Metric.LATENCY, By.NONE),
    (Metric.TOKENS, By.MODEL),
    (Metric.CACHE, By.NONE),
    (Metric.ERRORS, By.PROVIDER_ERROR_TYPE),
    (Metric.ACTIVE, By.PROVIDER),
)
"""What the page asks for its charts; beside them the summary, the marks, teams and models."""

_INTRODUCTION = f"""\
# The overview and reports over ten million calls

Written by `python -m bench.reading_speed`: {CALLS:,} calls over {DAYS} days, {AGENTS} agents in 8
teams of 2 tenants on {len(MODELS)} models of 4 providers ([large_ledger.py](large_ledger.py)), all
rolled up. A figure is the processor time of one thread, median of {_ROUNDS} rounds: what the server
works for an answer, whatever else the machine does. The overview is everything that the page asks
for its thirteen panels, one question after the other.
"""


def main() -> None:
    """Measure, and write `RESULTS`."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading_speed", description=__doc__)
    parser.add_argument("--ledger", type=Path, help="one that was made before")
    parser.add_argument("--print-only", action="store_true", help="leave the results' file alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path: Path = arguments.ledger or Path(folder) / "ledger.db"
        if arguments.ledger is None:
            make_large_ledger(path)
        # A ledger of an earlier version is brought up to date.
        connect_writer(path).close()
        text = _measure(path)
    print(text)
    if not arguments.print_only:
        RESULTS.write_text(text)


def _measure(path: Path) -> str:
    connection = connect_reader(path)
    # As if asked right after the last call.
    ((now_ns,),) = connection.execute(_LAST_CALL).fetchall()
    overview = []
    for name in Window:
        question = asked(UsageQuery(window=name), Viewer(), now_ns, "Europe/Stockholm")
        parts: list[Callable[[], object]] = [
            partial(summary, connection, question),
            partial(marks, connection, question),
            partial(breakdown, connection, question, GroupBy.TEAM, rows_max=100),
            partial(breakdown, connection, question, GroupBy.MODEL, rows_max=100),
            *(
                partial(series, connection, question, metric, by, Quantile.P99)
                for metric, by in _LINES
            ),
        ]
        works = [_work_ms(part) for part in parts]
        overview.append((name.value, sum(works), max(works), works[0]))
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    reports = []
    for group in GroupBy:
        spans = [(*window("90d", now, zone), zone) for zone in map(ZoneInfo, _ZONES)]
        works = [
            _work_ms(partial(report, connection, start, end, group, zone))
            for start, end, zone in spans
        ]
        reports.append((group.value, works))
    question = asked(UsageQuery(), Viewer(), now_ns, "UTC")
    advice_ms = _work_ms(partial(advice, connection, question, PriceBook()))
    connection.close()
    return _render(path, overview, reports, advice_ms)


def _work_ms(ask: Callable[[], object]) -> float:
    works = []
    for _ in range(_ROUNDS):
        began = time.thread_time()
        ask()
        works.append((time.thread_time() - began) * 1e3)
    return statistics.median(works)


def _render(
    path: Path,
    overview: list[tuple[str, float, float, float]],
    reports: list[tuple[str, list[float]]],
    advice_ms: float,
) -> str:
    lines = [
        _INTRODUCTION,
        "## Overview, ms\n",
        f"| time range | overview | its slowest answer | the summary | goal: {GOAL_MS:g} |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {total:.1f} | {slowest:.1f} | {of_summary:.1f} | {_reached(total)} |"
        for name, total, slowest, of_summary in overview
    ]
    lines += [
        f"\nAdvice on the last seven days: {advice_ms:.0f} ms.\n",
        "## `modelmeter report --window 90d`, ms\n",
        f"| by | {' | '.join(_ZONES)} | goal: {GOAL_MS:g} |",
        f"| --- |{' ---: |' * (len(_ZONES) + 1)}",
    ]
    lines += [
        f"| {by} | {' | '.join(f'{work:.1f}' for work in works)} | {_reached(max(works))} |"
        for by, works in reports
    ]
    lines += ["\n## Machine\n", "| what | which |", "| --- | ---: |"]
    lines += [f"| {what} | {which} |" for what, which in describe(path.parent, None)]
    size = path.stat().st_size / 2**30
    lines.append(f"| ledger | {size:.1f} GiB |")
    return "\n".join(lines) + "\n"


def _reached(work_ms: float) -> str:
    return "reached" if work_ms <= GOAL_MS else "**missed**"


if __name__ == "__main__":
    main()
