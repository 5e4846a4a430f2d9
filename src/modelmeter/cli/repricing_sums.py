"""What a repricing changed, by day and model, for people and programs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table

from modelmeter.cli.figures import inert
from modelmeter.ledger.repricing import Change, Repriced
from modelmeter.record import usd_text

__all__ = ["RepricingSums"]

_NS = 10**9


class _Row(msgspec.Struct):
    calls: int = 0
    before: int = 0
    after: int = 0
    saved: int = 0
    newly_priced: int = 0


class RepricingSums:
    """Adds up the changes of a run; amounts in pico-dollars."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._rows: dict[tuple[str, str], _Row] = {}
        self.looked_at = 0
        self.unknown = 0
        self.late = 0
        """Entries that another process corrected at the same time: run again."""

    def add(self, page: Repriced, late: Iterable[Change]) -> None:
        """Add a page; ``late`` are the changes of it that were not written."""
        left_out = {change.delta.entry_seq for change in late}
        self.looked_at += page.entries
        self.unknown += page.unknown
        self.late += len(left_out)
        for change in page.changes:
            if change.delta.entry_seq not in left_out:
                self._add(change)

    def _add(self, change: Change) -> None:
        moment = datetime.fromtimestamp(change.delta.started_at_ns // _NS, UTC)
        day = f"{moment.astimezone(self._zone):%Y-%m-%d}"
        row = self._rows.setdefault((day, change.delta.model), _Row())
        row.calls += 1
        row.before += change.cost_before
        row.after += change.cost_after
        row.saved += change.delta.cost_saved
        row.newly_priced -= change.delta.unpriced_calls

    @property
    def total(self) -> _Row:
        """All rows together."""
        total = _Row()
        for row in self._rows.values():
            total.calls += row.calls
            total.before += row.before
            total.after += row.after
            total.saved += row.saved
            total.newly_priced += row.newly_priced
        return total

    def as_json(self, *, dry_run: bool) -> str:
        """One object; money as exact decimal strings."""
        rows = [
            {"day": day, "model": model, **_fields(row)}
            for (day, model), row in sorted(self._rows.items())
        ]
        return msgspec.json.encode(
            {
                "dry_run": dry_run,
                "entries": self.looked_at,
                "still_unknown": self.unknown,
                "changed_meanwhile": self.late,
                "total": _fields(self.total),
                "rows": rows,
            }
        ).decode()

    def print_tables(self, *, dry_run: bool) -> None:
        """Show it to people."""
        console = Console(highlight=False)
        total = self.total
        if total.calls:
            console.print(self._table(total, dry_run=dry_run))
        verb = "would change" if dry_run else "changed"
        console.print(
            f"{self.looked_at:,} entries looked at, {total.calls:,} {verb}, "
            f"{self.unknown:,} have no known price, or less of it is known than before: they stay.",
            markup=False,
        )
        if self.late:
            console.print(f"{self.late:,} were corrected by another process meanwhile: run again.")

    def _table(self, total: _Row, *, dry_run: bool) -> Table:
        title = "What repricing would change" if dry_run else "What repricing changed"
        table = Table(title=f"{title}, USD", title_justify="left", show_footer=True)
        table.add_column("day", "total")
        table.add_column("model", overflow="fold")
        figures = (
            ("calls", f"{total.calls:,}"),
            ("before", usd_text(total.before)),
            ("after", usd_text(total.after)),
            ("difference", usd_text(total.after - total.before)),
        )
        for name, footer in figures:
            table.add_column(name, footer, justify="right", no_wrap=True)
        for (day, model), row in sorted(self._rows.items()):
            table.add_row(
                day,
                inert(model),
                f"{row.calls:,}",
                usd_text(row.before),
                usd_text(row.after),
                usd_text(row.after - row.before),
            )
        return table


def _fields(row: _Row) -> dict[str, object]:
    return {
        "calls": row.calls,
        "newly_priced": row.newly_priced,
        "before_usd": usd_text(row.before),
        "after_usd": usd_text(row.after),
        "difference_usd": usd_text(row.after - row.before),
        "saved_difference_usd": usd_text(row.saved),
    }
