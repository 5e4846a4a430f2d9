"""Which label values a metric may show: seen names up to a cap, then ``other``."""

import sqlite3
from collections import defaultdict

__all__ = ["LABEL_OTHER", "LabelBook"]

LABEL_OTHER = "other"

_SELECT_ALL = "SELECT label, value FROM label_value"
_COUNT = "SELECT count(*) FROM label_value WHERE label = ?"
_INSERT = "INSERT OR IGNORE INTO label_value (label, value) VALUES (?, ?)"
_SELECT_ONE = "SELECT 1 FROM label_value WHERE label = ? AND value = ?"


class LabelBook:
    """
    The admitted values of every label, shared by all processes on one ledger.

    To be used inside a write transaction only: admission is part of the transaction that
    shows the value, so the cap holds whatever the number of processes.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, values_max: int, value_bytes_max: int
    ) -> None:
        self._connection = connection
        self._values_max = values_max
        self._value_bytes_max = value_bytes_max
        self._admitted: defaultdict[str, set[str]] = defaultdict(set)
        for label, value in connection.execute(_SELECT_ALL):
            self._admitted[label].add(value)

    def admit(self, label: str, value: str, *, known_only: bool = False) -> str:
        """
        The value to show for ``value``: itself, or ``other``.

        With ``known_only`` a value not seen before is not admitted.
        """
        if value in self._admitted[label]:
            return value
        if len(value.encode("utf-8", "surrogatepass")) > self._value_bytes_max:
            return LABEL_OTHER
        if self._connection.execute(_SELECT_ONE, (label, value)).fetchone():
            self._admitted[label].add(value)
            return value
        if known_only:
            return LABEL_OTHER
        (count,) = self._connection.execute(_COUNT, (label,)).fetchone()
        if count >= self._values_max:
            return LABEL_OTHER
        self._connection.execute(_INSERT, (label, value))
        self._admitted[label].add(value)
        return value
