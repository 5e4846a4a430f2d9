"""Answers as CSV (RFC 4180), with cells that no spreadsheet takes for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

__all__ = ["Cell", "csv_text"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | bool | None


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Lines ended by CRLF; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell
