"""Price lines, as a table for people and as fields for programs."""

from collections.abc import Iterable
from decimal import Decimal

from rich.table import Table

from modelmeter.pricing.rates import PriceLine

__all__ = ["decimal_text", "line_fields", "lines_table"]


def decimal_text(value: Decimal) -> str:
    """Exact, without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_fields(line: PriceLine) -> dict[str, object]:
    """For JSON."""
    return {
        "kind": line.kind,
        "tokens": line.tokens,
        "usd_per_million": decimal_text(line.usd_per_million),
        "usd": decimal_text(line.usd),
    }


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
