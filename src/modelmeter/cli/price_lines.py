"""Price lines, as a table for people."""

from collections.abc import Iterable

from rich.table import Table

from modelmeter.pricing.rates import PriceLine, decimal_text

__all__ = ["lines_table"]


def lines_table(title: str, lines: Iterable[PriceLine], total_usd: str) -> Table:
    """A row a line, and the total."""
    table = Table(title=title, title_justify="left")
    for heading in ("kind", "tokens", "USD a million", "USD"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for line in lines:
        usd_per_million = decimal_text(line.usd_per_million)
        table.add_row(line.kind, f"{line.tokens:,}", usd_per_million, decimal_text(line.usd))
    table.add_section()
    table.add_row("total", "", "", total_usd)
    return table
