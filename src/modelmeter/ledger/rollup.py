"""Adds new entries to the rollups: each entry once, whichever process does it."""

import sqlite3

from modelmeter.ledger.facts import CORRECTION_FACTS, ENTRY_FACTS, ERROR, FACTS

__all__ = ["LEVELS_SECONDS", "QUARTER_SECONDS", "roll_up", "rollup_lag"]

QUARTER_SECONDS = 900
"""Every time zone's offset is a multiple of a quarter of an hour."""
LEVELS_SECONDS = (86_400, 21_600, 3_600, QUARTER_SECONDS)
"""Spans that sums are kept of, longest first, each in UTC since 1970."""

_LAG = """
SELECT coalesce((SELECT max(seq) FROM entry), 0) - upto_seq
    + coalesce((SELECT max(seq) FROM correction), 0) - upto_correction_seq
FROM rollup_state
"""
_STATE = "SELECT upto_seq, upto_correction_seq FROM rollup_state"
_LAST = "SELECT max(seq) FROM (SELECT seq FROM entry WHERE seq > ? ORDER BY seq LIMIT ?)"
# A correction of an entry that is not rolled up yet waits, and those behind it with it.
_LAST_CORRECTION = """
SELECT max(seq) FROM (
    SELECT seq, max(entry_seq) OVER (ORDER BY seq) AS needed
    FROM (SELECT seq, entry_seq FROM correction WHERE seq > ? ORDER BY seq LIMIT ?)
) WHERE needed <= ?
"""
_ADVANCE = "UPDATE rollup_state SET upto_seq = ?"
_ADVANCE_CORRECTIONS = "UPDATE rollup_state SET upto_correction_seq = ?"

_DIMENSIONS = "tenant_id, team, agent_id, model, provider"
_ADD_LABELS = f"""
INSERT OR IGNORE INTO rollup_labels ({_DIMENSIONS})
SELECT DISTINCT {_DIMENSIONS} FROM entry WHERE seq > ? AND seq <= ?
"""  # noqa: S608 - column names from the constant above

_JOIN_LABELS = " AND ".join(f"l.{name} = e.{name}" for name in _DIMENSIONS.split(", "))
_QUARTER = f"started_at_ns / {QUARTER_SECONDS * 10**9} * {QUARTER_SECONDS}"
# The few rows of all new entries' quarter-hours; what is longer is added up from them. The tables
# stay with the connection, for each new one would have all its statements compiled again.
_SCRATCH = (
    f"""
    CREATE TEMP TABLE IF NOT EXISTS fresh (start_seconds, labels_id, {", ".join(FACTS)})
    """,
    """
    CREATE TEMP TABLE IF NOT EXISTS fresh_error (start_seconds, labels_id, error_type, calls)
    """,
    f"""
    CREATE TEMP TABLE IF NOT EXISTS fresh_correction
        (start_seconds, labels_id, {", ".join(CORRECTION_FACTS)})
    """,
)
_FRESH = f"""
INSERT INTO temp.fresh
SELECT {_QUARTER}, l.id, {", ".join(f"sum({expression})" for expression in ENTRY_FACTS.values())}
FROM entry e JOIN rollup_labels l ON {_JOIN_LABELS}
WHERE e.seq > ? AND e.seq <= ? GROUP BY 1, 2
"""  # noqa: S608 - column names and expressions from constants
_FRESH_ERRORS = f"""
INSERT INTO temp.fresh_error
SELECT {_QUARTER}, l.id, {ERROR}, count(*)
FROM entry e JOIN rollup_labels l ON {_JOIN_LABELS}
WHERE e.seq > ? AND e.seq <= ? AND {ERROR} IS NOT NULL GROUP BY 1, 2, 3
"""  # noqa: S608 - column names and expressions from constants
_FRESH_CORRECTIONS = f"""
INSERT INTO temp.fresh_correction
SELECT c.{_QUARTER}, l.id,
    {", ".join(f"sum(c.{expression})" for expression in CORRECTION_FACTS.values())}
FROM correction c JOIN entry e ON e.seq = c.entry_seq JOIN rollup_labels l ON {_JOIN_LABELS}
WHERE c.seq > ? AND c.seq <= ? GROUP BY 1, 2
"""  # noqa: S608 - column names and expressions from constants
_FORGET_CORRECTIONS = "DELETE FROM temp.fresh_correction"
_FORGET = ("DELETE FROM temp.fresh", "DELETE FROM temp.fresh_error")

_CARRIED = {"cost_usd": "cost_pico", "saved_usd": "saved_pico"}


def _sum(fact: str) -> str:
    carried = _CARRIED.get(fact)
    if carried is not None:
        return f"sum({fact}) + sum({carried}) / 1000000000000"
    return f"sum({fact}) % 1000000000000" if fact in _CARRIED.values() else f"sum({fact})"


def _added(fact: str, table: str) -> str:
    carried = _CARRIED.get(fact)
    if carried is not None:
        total = f"{table}.{carried} + excluded.{carried}"
        return f"{fact} = {table}.{fact} + excluded.{fact} + ({total}) / 1000000000000"
    total = f"{table}.{fact} + excluded.{fact}"
    return (
        f"{fact} = ({total}) % 1000000000000" if fact in _CARRIED.values() else f"{fact} = {total}"
    )


def _add(table: str, keys: tuple[str, ...], facts: tuple[str, ...], source: str) -> str:
    start = "start_seconds / :level * :level"
    named = ("start_seconds", *keys)
    return f"""
    INSERT INTO {table} (level_seconds, {", ".join((*named, *facts))})
    SELECT :level, {", ".join((start, *keys))}, {", ".join(map(_sum, facts))}
    FROM temp.{source} GROUP BY {", ".join(str(place + 1) for place in range(len(named) + 1))}
    ON CONFLICT DO UPDATE SET {", ".join(_added(fact, table) for fact in facts)}
    """  # noqa: S608 - names from constants


_ADDITIONS = (
    _add("rollup", ("labels_id",), FACTS, "fresh"),
    _add("rollup_total", (), FACTS, "fresh"),
    _add("rollup_error", ("labels_id", "error_type"), ("calls",), "fresh_error"),
)


def _pico_of(carried: str) -> str:
    """The part below a dollar of a sum that may be negative: from 0 up, as in the tables."""
    return f"((sum({carried}) % 1000000000000 + 1000000000000) % 1000000000000)"


def _change(table: str, keys: tuple[str, ...]) -> str:
    """
    Corrections never come before their entries' own facts, so that their rows are there.

    An insertion that becomes an update would not do: its own amounts may be negative.
    """
    start = "start_seconds / :level * :level"
    amounts = {"unpriced": "sum(unpriced)"}
    changed = ["unpriced = t.unpriced + f.unpriced"]
    for usd, pico in _CARRIED.items():
        rest = _pico_of(pico)
        amounts[pico] = rest
        amounts[usd] = f"sum({usd}) + (sum({pico}) - {rest}) / 1000000000000"
        changed += [
            f"{usd} = t.{usd} + f.{usd} + (t.{pico} + f.{pico}) / 1000000000000",
            f"{pico} = (t.{pico} + f.{pico}) % 1000000000000",
        ]
    read = ", ".join(f"{amount} AS {name}" for name, amount in amounts.items())
    named = ", ".join((f"{start} AS start", *keys))
    joined = "".join(f" AND t.{key} = f.{key}" for key in keys)
    return f"""
    UPDATE {table} AS t SET {", ".join(changed)}
    FROM (SELECT {named}, {read} FROM temp.fresh_correction
          GROUP BY {", ".join(str(place + 1) for place in range(len(keys) + 1))}) AS f
    WHERE t.level_seconds = :level AND t.start_seconds = f.start{joined}
    """  # noqa: S608 - names from constants


_CHANGES = (_change("rollup", ("labels_id",)), _change("rollup_total", ()))


def rollup_lag(connection: sqlite3.Connection) -> int:
    """
    How many entries and corrections the rollups do not hold yet.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((lag,),) = connection.execute(_LAG).fetchall()
    return int(lag)


def roll_up(connection: sqlite3.Connection, *, entries_max: int) -> int:
    """
    Add the next entries to the rollups, all or nothing; how many there were.

    As many corrections are added too, of entries that are in the rollups by then. The places up
    to which all are added move in the same transaction, so that processes which share a ledger
    add none twice.

    Raises:
        sqlite3.Error: the file cannot be written now; nothing was changed.
    """
    for table in _SCRATCH:
        connection.execute(table)
    connection.execute("BEGIN IMMEDIATE")
    try:
        ((entries_after, corrections_after),) = connection.execute(_STATE).fetchall()
        ((upto,),) = connection.execute(_LAST, (entries_after, entries_max)).fetchall()
        if upto is not None:
            _add_entries(connection, entries_after, upto)
        rolled_up = entries_after if upto is None else upto
        looked_at = (corrections_after, entries_max, rolled_up)
        ((corrected,),) = connection.execute(_LAST_CORRECTION, looked_at).fetchall()
        if corrected is not None:
            _add_corrections(connection, corrections_after, corrected)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return int(rolled_up - entries_after)


def _add_entries(connection: sqlite3.Connection, after: int, upto: int) -> None:
    span = (after, upto)
    connection.execute(_ADD_LABELS, span)
    connection.execute(_FRESH, span)
    connection.execute(_FRESH_ERRORS, span)
    for level in LEVELS_SECONDS:
        for addition in _ADDITIONS:
            connection.execute(addition, {"level": level})
    for forget in _FORGET:
        connection.execute(forget)
    connection.execute(_ADVANCE, (upto,))


def _add_corrections(connection: sqlite3.Connection, after: int, upto: int) -> None:
    connection.execute(_FRESH_CORRECTIONS, (after, upto))
    for level in LEVELS_SECONDS:
        for change in _CHANGES:
            connection.execute(change, {"level": level})
    connection.execute(_FORGET_CORRECTIONS)
    connection.execute(_ADVANCE_CORRECTIONS, (upto,))
