"""When the writer adds new entries to the rollups: in quiet moments, and little at a time."""

import logging
import sqlite3
import time

from modelmeter.ledger.rollup import roll_up, rollup_lag

__all__ = ["LAG_MAX", "QUIET_SECONDS", "ROLLUP_SECONDS", "STEP_ENTRIES_MAX", "RollupPace"]

logger = logging.getLogger(__name__)

ROLLUP_SECONDS = 5.0
"""How often new entries are looked for; until then readers add them up by themselves."""
QUIET_SECONDS = 0.02
"""A moment without work for the ledger: calls that come later wait the least for a step."""
LAG_MAX = 20_000
"""Entries and corrections that wait for a quiet moment; more are added between busy commits."""
STEP_ENTRIES_MAX = 512
"""Entries added in one transaction: the calls that end meanwhile wait for it, some milliseconds."""


class RollupPace:
    """Rolls up on the connection of a ledger's writer, in its thread, between two commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._looked_at = 0.0
        self._lag = 0
        self._is_urgent = False

    def wait_seconds(self, usual: float) -> float:
        """How long the writer may wait for work before it takes a turn here."""
        if not self._lag:
            return usual
        return 0.0 if self._is_urgent else min(QUIET_SECONDS, usual)

    def take_turn(self, *, is_quiet: bool) -> None:
        """Add some entries to the rollups, if there are any and it is time to."""
        now = time.monotonic()
        try:
            if now - self._looked_at >= ROLLUP_SECONDS:
                self._looked_at = now
                self._lag = rollup_lag(self._connection)
                self._is_urgent = self._is_urgent or self._lag >= LAG_MAX
            if self._lag and (is_quiet or self._is_urgent):
                roll_up(self._connection, entries_max=STEP_ENTRIES_MAX)
                self._lag = rollup_lag(self._connection)
                self._is_urgent = self._is_urgent and self._lag >= STEP_ENTRIES_MAX
        except sqlite3.Error as error:
            self._lag = 0
            logger.warning("new entries could not be rolled up: %s", error)
