"""What ``/metrics`` shows of budgets: read from the ledger, and checked against it all the time."""

import asyncio
import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Self

from modelmeter.budgets.budget import Unit
from modelmeter.budgets.drift import DriftCheck
from modelmeter.budgets.state import budget_states
from modelmeter.metrics import ProcessSample
from modelmeter.metrics.names import (
    BUDGET_DRIFT,
    BUDGET_FORECAST,
    BUDGET_LIMIT,
    BUDGET_RESERVED,
    BUDGET_SPENT,
)
from modelmeter.record import PICO_PER_USD, Clock

__all__ = ["DRIFT_CHECK_SECONDS", "BudgetWatch", "budget_samples"]

logger = logging.getLogger(__name__)

DRIFT_CHECK_SECONDS = 10.0
"""Between two checks of the budgets against the entries."""


class BudgetWatch:
    """Checks the budgets of a ledger in the background, inside its context."""

    def __init__(self, ledger_path: Path, clock: Clock) -> None:
        """
        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._check = DriftCheck(ledger_path, clock)
        self._ends = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None
        self.drifts: dict[str, int] = {}
        """By budget, in 1e-12 of its unit; one that was not checked yet is absent."""

    async def __aenter__(self) -> Self:
        self._checking = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        self._check.interrupt()
        if self._checking is not None:
            await self._checking
        self._check.close()

    async def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self.drifts = await asyncio.to_thread(self._check.check)
            except sqlite3.Error as error:
                self.drifts = {}
                if not self._ends.is_set():
                    logger.warning("the budgets could not be checked: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRIFT_CHECK_SECONDS):
                    await self._ends.wait()


def budget_samples(
    connection: sqlite3.Connection, now_ns: int, drifts: dict[str, int]
) -> list[ProcessSample]:
    """
    The gauges of all budgets in USD, and what the last check said of each budget.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    states = [one for one in budget_states(connection, now_ns) if one.unit is Unit.USD]
    samples = []
    for metric, field in (
        (BUDGET_LIMIT, "limit"),
        (BUDGET_SPENT, "settled"),
        (BUDGET_RESERVED, "reserved"),
        (BUDGET_FORECAST, "forecast"),
    ):
        samples += [
            metric.sample(float(amount), state.name)
            for state in states
            # A window that is young or rolls has no forecast.
            if (amount := getattr(state, field)) is not None
        ]
    samples += [
        BUDGET_DRIFT.sample(drift / PICO_PER_USD, name) for name, drift in sorted(drifts.items())
    ]
    return samples
