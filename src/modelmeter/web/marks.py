"""What stands on the time axes beside the calls: first starts of versions."""

import sqlite3
from datetime import UTC, datetime
from typing import Literal

from modelmeter.ledger.series import DEPLOYMENT
from modelmeter.web.answers import Answer
from modelmeter.web.asking import Asked, iso

__all__ = ["Mark", "Marks", "marks"]

_DEPLOYMENTS = """
SELECT labels ->> 0, born_at_ns FROM series
WHERE kind = ? AND born_at_ns >= ? AND born_at_ns < ? ORDER BY born_at_ns
"""


class Mark(Answer):
    """One moment worth a line on the time axis."""

    at: str
    kind: Literal["deployment", "budget"]
    text: str


class Marks(Answer):
    """In the order of their time."""

    marks: list[Mark]


def marks(connection: sqlite3.Connection, asked: Asked) -> Marks:
    """
    The marks of the time asked about.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = asked.span
    rows = connection.execute(_DEPLOYMENTS, (DEPLOYMENT, span.start_ns, span.end_ns))
    return Marks(
        marks=[
            Mark(
                at=iso(datetime.fromtimestamp(at_ns // 1_000_000 / 1e3, UTC)),
                kind="deployment",
                text=str(version),
            )
            for version, at_ns in rows
        ]
    )
