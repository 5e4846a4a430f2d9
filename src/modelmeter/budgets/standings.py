"""What the windows of budgets stand at, read and written within one transaction."""

import sqlite3

import msgspec

from modelmeter.budgets.rule import Rule
from modelmeter.record import PICO_PER_USD

__all__ = ["Standing", "Standings"]

_COLUMNS = "settled_whole, settled_pico, reserved_whole, reserved_pico"
_ONE = f"SELECT {_COLUMNS} FROM budget_window WHERE budget_id = ? AND start_ns = ?"  # noqa: S608 - column names from the constant above
_SPAN = f"SELECT start_ns, {_COLUMNS} FROM budget_window WHERE budget_id = ? AND start_ns >= ?"  # noqa: S608 - see above
_WRITE = f"""
INSERT OR REPLACE INTO budget_window (budget_id, start_ns, {_COLUMNS})
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(?)
"""  # noqa: S608 - see above
_encode = msgspec.json.Encoder().encode


class Standing:
    """What a slice stands at, in 1e-12 of the budget's unit."""

    __slots__ = ("changed", "reserved", "settled")

    def __init__(self, settled: int, reserved: int) -> None:
        self.settled = settled
        self.reserved = reserved
        self.changed = False

    def settle(self, amount: int) -> None:
        """An entry counts."""
        self.settled += amount
        self.changed = True

    def reserve(self, amount: int) -> None:
        """A hold begins, or ends with a negative amount."""
        self.reserved += amount
        self.changed = True


class Standings:
    """The slices that a transaction has looked at; nothing is known before it began."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._slices: dict[tuple[int, int], Standing] = {}
        self._spans: set[tuple[int, int]] = set()

    def at(self, budget_id: int, start_ns: int) -> Standing:
        """The slice that begins at ``start_ns``; one without a row stands at nothing."""
        key = (budget_id, start_ns)
        found = self._slices.get(key)
        if found is None:
            row = self._connection.execute(_ONE, key).fetchone() or (0, 0, 0, 0)
            found = self._slices[key] = _standing(*row)
        return found

    def sums(self, rule: Rule, from_ns: int) -> tuple[int, int]:
        """What is settled and what is reserved in the window whose first slice is given."""
        if not rule.rolls:
            found = self.at(rule.id, from_ns)
            return found.settled, found.reserved
        self._read_span(rule.id, from_ns)
        slices = [
            found
            for (number, start_ns), found in self._slices.items()
            if number == rule.id and start_ns >= from_ns
        ]
        return sum(one.settled for one in slices), sum(one.reserved for one in slices)

    def write(self) -> set[int]:
        """Write what has changed; the ids of the budgets that did."""
        rows = [
            (
                *key,
                *divmod(found.settled, PICO_PER_USD),
                *divmod(found.reserved, PICO_PER_USD),
            )
            for key, found in self._slices.items()
            if found.changed
        ]
        if rows:
            self._connection.execute(_WRITE, (_encode(rows).decode(),))
        return {row[0] for row in rows}

    def _read_span(self, budget_id: int, from_ns: int) -> None:
        key = (budget_id, from_ns)
        if key in self._spans:
            return
        self._spans.add(key)
        for start_ns, *row in self._connection.execute(_SPAN, key):
            self._slices.setdefault((budget_id, start_ns), _standing(*row))


def _standing(
    settled_whole: int, settled_pico: int, reserved_whole: int, reserved_pico: int
) -> Standing:
    return Standing(
        settled_whole * PICO_PER_USD + settled_pico, reserved_whole * PICO_PER_USD + reserved_pico
    )
