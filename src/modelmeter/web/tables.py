"""Which columns an answer has as a table."""

from itertools import chain

from pydantic import BaseModel

from modelmeter.web.answers import Breakdown, BreakdownRow, Series, Usage
from modelmeter.web.call_answers import CallRow, CallsPage
from modelmeter.web.csv_text import Cell, csv_text

__all__ = ["as_csv"]

_LATENCIES = ("p50_ms", "p90_ms", "p99_ms")
_CHANGES = ("calls", "tokens", "cost")


def as_csv(answer: BaseModel) -> tuple[str, str]:
    """
    An answer's table, and the name of its file.

    Raises:
        TypeError: the answer is no table.
    """
    if isinstance(answer, Series):
        return _series(answer), f"{answer.metric}-by-{answer.by}"
    if isinstance(answer, Breakdown):
        return _breakdown(answer), f"by-{answer.by}"
    if isinstance(answer, CallsPage):
        heading = list(CallRow.model_fields)
        rows = ([getattr(row, name) for name in heading] for row in answer.calls)
        return csv_text([heading, *rows]), "calls"
    raise TypeError(f"{type(answer).__name__} is no table")


def _series(answer: Series) -> str:
    columns = zip(*(line.values for line in answer.series), strict=True)
    values = columns if answer.series else (() for _ in answer.times)
    heading = ["time", *(line.name for line in answer.series)]
    rows = ([time, *row] for time, row in zip(answer.times, values, strict=True))
    return csv_text([heading, *rows])


def _breakdown(answer: Breakdown) -> str:
    usage = list(Usage.model_fields)
    changes = [f"{name}_change" for name in _CHANGES]
    heading = [answer.by, *usage, "share", *_LATENCIES, *changes]
    rows = chain(answer.rows, [answer.other] if answer.other else [])
    return csv_text([heading, *(_breakdown_row(row, usage) for row in rows)])


def _breakdown_row(row: BreakdownRow, usage: list[str]) -> list[Cell]:
    latency = [getattr(row.latency, name, None) for name in _LATENCIES]
    change = [getattr(row.change, name, None) for name in _CHANGES]
    return [row.name, *(getattr(row, name) for name in usage), row.share, *latency, *change]
