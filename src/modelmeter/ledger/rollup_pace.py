"""When the writer adds new entries to the rollups: seldom, and little at a time."""

import logging
import sqlite3
import time

from modelmeter.ledger.rollup import roll_up, rollup_lag

__all__ = ["ROLLUP_SECONDS", "STEP_ENTRIES_MAX", "RollupPace"]

logger = logging.getLogger(__name__)

ROLLUP_SECONDS = 5.0
"""How often new entries are looked for; until then readers add them up by themselves."""
STEP_ENTRIES_MAX = 512
"""Entries added in one transaction: the calls that end meanwhile wait for it, some milliseconds."""


class RollupPace:
    """Rolls up on the connection of a ledger's writer, in its thread, between two commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._looked_at = 0.0
        self.is_behind = False
        """There is more to add, as soon as no commit waits."""

    def take_turn(self) -> None:
        """Add some entries to the rollups, if it is time to."""
        now = time.monotonic()
        if now - self._looked_at < ROLLUP_SECONDS and not self.is_behind:
            return
        self._looked_at = now
        self.is_behind = False
        try:
            if not rollup_lag(self._connection):
                return
            roll_up(self._connection, entries_max=STEP_ENTRIES_MAX)
            self.is_behind = rollup_lag(self._connection) >= STEP_ENTRIES_MAX
        except sqlite3.Error as error:
            logger.warning("new entries could not be rolled up: %s", error)
