"""Reads a ledger file as any other SQLite program would."""

import sqlite3
from pathlib import Path

__all__ = ["check_ledger", "query"]

PICO = 10**12

_SERIES = "SELECT whole, pico FROM series WHERE kind = ?"
_ENTRIES = """
SELECT count(*), coalesce(sum(cost_pico_usd), 0), coalesce(sum(error_type IS NOT NULL), 0),
       coalesce(sum(tokens_input + tokens_cache_read + tokens_cache_write_5m
                    + tokens_cache_write_1h + tokens_output + tokens_reasoning
                    + tokens_audio_input + tokens_audio_output + tokens_image_input
                    + tokens_image_output), 0)
FROM entry
"""


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def check_ledger(path: Path) -> None:
    """What must hold of every ledger at any time: sound, and its series are its entries' sums."""
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
    finally:
        connection.close()
