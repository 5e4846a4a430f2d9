"""What the demo shows while it runs: teams' spending, models' speed, what fails."""

import sqlite3
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from statistics import quantiles
from zoneinfo import ZoneInfo

from rich.console import Group
from rich.table import Table
from rich.text import Text

from modelmeter.cli.figures import count_text, inert, milliseconds_text, money_text
from modelmeter.cli.live_budgets import live_budgets
from modelmeter.ledger.reader import CallFilter, GroupBy, latest_calls, report
from modelmeter.record import ErrorType, counted

__all__ = ["live_view"]

_RECENT_CALLS = 1000
_UTC = ZoneInfo("UTC")


def live_view(connection: sqlite3.Connection, began: datetime) -> Group:
    """The tables of this moment, from the ledger since ``began``."""
    since_ns = int(began.timestamp()) * 1_000_000_000
    recent = latest_calls(connection, CallFilter(since_ns=since_ns), limit=_RECENT_CALLS)
    # The longest table stands last: a low terminal cuts it, not what fails.
    now_ns = time.time_ns()
    budgets = live_budgets(connection, now_ns)
    return Group(_teams(connection, began), *budgets, _errors(recent), _models(recent))


def _teams(connection: sqlite3.Connection, began: datetime) -> Table:
    now = datetime.now(UTC)
    result = report(connection, began, now, GroupBy.TEAM, _UTC)
    elapsed = max((now - began).total_seconds(), 1)
    calls, cost = counted(result.total.calls, "call"), money_text(result.total.cost)
    table = Table(title=f"{calls}, {cost} in {elapsed:.0f} s", title_justify="left")
    table.add_column("team")
    for name in ("calls", "errors", "tokens", "cost", "a day at this pace"):
        table.add_column(name, justify="right")
    for row in result.rows:
        sums = row.sums
        table.add_row(
            Text(inert(row.name)),
            f"{sums.calls:,}",
            f"{sums.errors:,}",
            count_text(sums.tokens),
            money_text(sums.cost),
            money_text(int(sums.cost * 86_400 / elapsed)),
        )
    return table


def _models(recent: list[dict[str, object]]) -> Table:
    durations: defaultdict[str, list[int]] = defaultdict(list)
    first_tokens: defaultdict[str, list[int]] = defaultdict(list)
    for row in recent:
        model = str(row["model"])
        if row["status"] == "success":
            durations[model].append(int(str(row["duration_ns"])))
        if row["time_to_first_token_ns"] is not None:
            first_tokens[model].append(int(str(row["time_to_first_token_ns"])))
    table = Table()
    table.add_column("model")
    for name in ("calls", "p50", "p99", "first token"):
        table.add_column(name, justify="right")
    for model, values in sorted(durations.items()):
        table.add_row(
            Text(inert(model)),
            f"{len(values):,}",
            milliseconds_text(_percentile(values, 50)),
            milliseconds_text(_percentile(values, 99)),
            milliseconds_text(_percentile(first_tokens[model], 50)),
        )
    return table


def _errors(recent: list[dict[str, object]]) -> Text:
    errors = Counter(
        f"{row['provider']} {row['error_type']}"
        for row in recent
        if row["error_type"] not in (None, ErrorType.CANCELLED)
    )
    if not errors:
        return Text("No failed calls yet.", style="dim")
    return Text("Failed: " + ", ".join(f"{name} × {n}" for name, n in errors.most_common(8)))


def _percentile(values: list[int], percent: int) -> int | None:
    if not values:
        return None
    if len(values) == 1:
        return values[0]
    return int(quantiles(values, n=100, method="inclusive")[percent - 1])
