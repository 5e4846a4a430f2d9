"""Reads a ledger file as any other SQLite program would."""

import sqlite3
from pathlib import Path

from modelmeter.ledger.rollup import LEVELS_SECONDS

__all__ = ["check_ledger", "query"]

PICO = 10**12

_SERIES = "SELECT whole, pico FROM series WHERE kind = ?"
_ENTRIES = """
SELECT count(*), coalesce(sum(cost_pico_usd), 0), coalesce(sum(status <> 'success'), 0),
       coalesce(sum(tokens_input + tokens_cache_read + tokens_cache_write_5m
                    + tokens_cache_write_1h + tokens_output + tokens_reasoning
                    + tokens_audio_input + tokens_audio_output + tokens_image_input
                    + tokens_image_output), 0)
FROM entry
"""
_ROLLED_UP = """
SELECT coalesce(sum(calls), 0), coalesce(sum(cost_usd), 0) * 1000000000000
    + coalesce(sum(cost_pico), 0), coalesce(sum(tokens), 0) FROM {table}
WHERE level_seconds = ?
"""
_COVERED = """
SELECT count(*), coalesce(sum(cost_pico_usd), 0), coalesce(sum(tokens_input + tokens_cache_read
    + tokens_cache_write_5m + tokens_cache_write_1h + tokens_output + tokens_reasoning
    + tokens_audio_input + tokens_audio_output + tokens_image_input + tokens_image_output), 0)
FROM entry WHERE seq <= (SELECT upto_seq FROM rollup_state)
"""


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def check_ledger(path: Path) -> None:
    """What must hold of every ledger at any time: sound, and all sums are those of its entries."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (entries,) = connection.execute(_ENTRIES).fetchall()

        def total(kind: str) -> int:
            rows = connection.execute(_SERIES, (kind,)).fetchall()
            return sum(whole * PICO + pico for whole, pico in rows)

        assert (
            total("requests") // PICO,
            total("cost"),
            total("errors") // PICO,
            total("tokens") // PICO,
        ) == entries
        covered = connection.execute(_COVERED).fetchall()
        for table in ("rollup", "rollup_total"):
            statement = _ROLLED_UP.format(table=table)
            for level in LEVELS_SECONDS:
                assert connection.execute(statement, (level,)).fetchall() == covered
    finally:
        connection.close()
