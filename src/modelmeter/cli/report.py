"""``modelmeter report``: what was spent, by whom, in a span of time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from modelmeter.ledger.reader import Report
    from modelmeter.ledger.sums import Sums

__all__ = ["print_report", "report"]

_KEYS = ("calls", "errors", "cached", "tokens", "cost_usd", "unpriced_calls")
_TIMES = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}
"""How the rows of a report by time are called; its title names the zone."""
_BAR_WIDTH = 10
_WIDTH_MAX = 10_000
_EMPTY = (
    "No calls in this window yet. Start `modelmeter serve`, then point an SDK's base URL at it,\n"
    "for example OPENAI_BASE_URL=http://127.0.0.1:4000/openai/v1."
)


def report(
    window: Annotated[
        str, typer.Option(help="today, yesterday, week, month, 24h, 7d, 30d, 90d or FROM..TO.")
    ] = "today",
    by: Annotated[
        str,
        typer.Option(help="team, agent, model, provider, tenant, hour, day, week or month."),
    ] = "team",
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA name; without it the configuration's.")
    ] = None,
) -> None:
    """
    Show calls, errors, tokens and cost of a span of time.

    An error is a call that did not succeed: failed, timed out, cancelled by its caller, refused by
    a budget or throttle, or of unknown outcome.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from modelmeter.cli.ledger_option import ledger_and_zone
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.ledger.reader import GroupBy
    from modelmeter.ledger.reader import report as read_report
    from modelmeter.ledger.windows import window as span_of

    if as_json and as_csv:
        raise SettingsError("give --json or --csv, not both")
    path, configured_zone = ledger_and_zone(ledger, config)
    try:
        zone = ZoneInfo(time_zone or configured_zone)
    except (OSError, ValueError, LookupError) as error:
        raise SettingsError(f"no such time zone: {time_zone!r}") from error
    if by not in list(GroupBy):
        raise SettingsError(f"no such grouping {by!r}: give one of {', '.join(GroupBy)}")
    start, end = span_of(window, datetime.now(UTC), zone)
    connection = connect_reader(path)
    try:
        result = read_report(connection, start, end, GroupBy(by), zone)
    finally:
        connection.close()
    if not as_json and not as_csv:
        print_report(result, f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}", by)
        return
    typer.echo(_json(result, start, end, by) if as_json else _csv(result, by), nl=as_json)
    if (warning := _warning(result)) is not None:
        typer.echo(warning, err=True)


def print_report(result: "Report", span: str, by: str) -> None:
    """Show a report to people; a narrow terminal gets no bars, and never a figure cut short."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(highlight=False)
    if not result.rows:
        console.print(_EMPTY, markup=False)
        return
    table = _table(result, span, by, bars=True)
    unbounded = console.options.update(max_width=_WIDTH_MAX)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        table = _table(result, span, by, bars=False)
    console.print(table)
    if (warning := _warning(result)) is not None:
        console.print(warning, style="yellow", soft_wrap=True)


def _warning(result: "Report") -> str | None:
    """What the sums do not hold, if something is missing."""
    from modelmeter.record import unpriced_text

    unpriced = result.total.unpriced_calls
    if not unpriced:
        return None
    return f"{unpriced_text(unpriced)}; `modelmeter prices check` names their models."


def _table(result: "Report", span: str, by: str, *, bars: bool) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from modelmeter.cli.figures import count_text, money_text

    total = result.total
    table = Table(title=f"LLM usage, {span}", title_justify="left", show_footer=True)
    table.add_column(by, "total", overflow="fold")
    for name, value in (
        ("calls", f"{total.calls:,}"),
        ("errors", f"{total.errors:,}"),
        ("cached", f"{total.cached:,}"),
        ("tokens", count_text(total.tokens)),
        ("cost", money_text(total.cost)),
    ):
        table.add_column(name, value, justify="right", no_wrap=True)
    table.add_column("share", no_wrap=True)
    for name, row in zip(_row_names(result, by), result.rows, strict=True):
        sums = row.sums
        share = sums.cost / total.cost if total.cost else 0.0
        bar = f"{'█' * round(share * _BAR_WIDTH):<{_BAR_WIDTH}} " if bars else ""
        table.add_row(
            Text(name),
            f"{sums.calls:,}",
            f"{sums.errors:,}",
            f"{sums.cached:,}",
            count_text(sums.tokens),
            money_text(sums.cost),
            f"{bar}{share:4.0%}",
        )
    return table


def _row_names(result: "Report", by: str) -> list[str]:
    from collections import Counter
    from datetime import datetime

    from modelmeter.cli.figures import inert

    if by not in _TIMES:
        return [inert(row.name) or "–" for row in result.rows]
    starts = [datetime.fromisoformat(row.name) for row in result.rows]
    names = [f"{start:{_TIMES[by]}}" for start in starts]
    # In autumn two hours have one name.
    times = Counter(names)
    return [
        name if times[name] == 1 else start.isoformat(" ", "minutes")
        for name, start in zip(names, starts, strict=True)
    ]


def _values(sums: "Sums") -> dict[str, int | str]:
    from modelmeter.record import usd_text

    values: tuple[int | str, ...] = (
        sums.calls,
        sums.errors,
        sums.cached,
        sums.tokens,
        usd_text(sums.cost),
        sums.unpriced_calls,
    )
    return dict(zip(_KEYS, values, strict=True))


def _json(result: "Report", start: "datetime", end: "datetime", by: str) -> str:
    import msgspec

    return msgspec.json.encode(
        {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "by": by,
            "total": _values(result.total),
            "rows": [{by: row.name, **_values(row.sums)} for row in result.rows],
        }
    ).decode()


def _csv(result: "Report", by: str) -> str:
    from modelmeter.web.csv_text import csv_text

    rows = [[row.name, *_values(row.sums).values()] for row in result.rows]
    return csv_text([[by, *_KEYS], *rows])
