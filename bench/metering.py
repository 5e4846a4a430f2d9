"""What modelmeter's ledger says about the load, against what the load and the upstream saw."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec

from bench.processes import BenchError, clean_environment
from bench.upstream import COMPLETION_TOKENS, PROMPT_TOKENS

__all__ = ["Answered", "Metered", "fault", "read_ledger"]

REPORT_SECONDS_MAX = 120.0

CALL_USD = PROMPT_TOKENS * Decimal("0.15e-6") + COMPLETION_TOKENS * Decimal("0.60e-6")
"""The price of one answer of the upstream: https://platform.openai.com/docs/pricing"""


class Metered(msgspec.Struct, frozen=True):
    """The totals of ``modelmeter report --json``."""

    calls: int
    errors: int
    unpriced_calls: int
    cost_usd: Decimal


class _Report(msgspec.Struct):
    total: Metered


class Answered(msgspec.Struct):
    """What was sent through modelmeter, warm-ups and probes included."""

    answers: int = 0
    """Complete answers that a client saw."""
    cut: int = 0
    """Most calls that can have been in flight when a run of the load ended."""
    served: int = 0
    """Answers that the upstream gave."""

    def add(self, answers: int, cut: int, served: int) -> None:
        """Count one run of a load."""
        self.answers += answers
        self.cut += cut
        self.served += served


def read_ledger(ledger: Path) -> Metered:
    """
    The ledger's totals, as a user reads them.

    Raises:
        BenchError: the command failed or says something else.
    """
    program = str(Path(sys.executable).parent / "modelmeter")
    command = [program, "report", "--json", "--window", "24h", "--ledger", str(ledger)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        env=clean_environment(),
        timeout=REPORT_SECONDS_MAX,
    )
    if done.returncode != 0:
        raise BenchError(f"modelmeter report failed: {done.stderr.decode()[-500:].strip()}")
    try:
        return msgspec.json.decode(done.stdout, type=_Report).total
    except msgspec.DecodeError as wrong:
        raise BenchError(f"modelmeter report: {wrong}") from wrong


def fault(metered: Metered, answered: Answered) -> str | None:
    """
    Why the ledger is wrong, or None.

    Every answer that a client saw, and every answer that the upstream gave, is a call; beyond
    them only calls that were in flight when a run was cut may be there, and only those may have
    failed or cost something else than one answer costs.
    """
    least = max(answered.answers, answered.served)
    most = answered.answers + answered.cut
    if not least <= metered.calls <= most:
        return f"{metered.calls} calls, expected {least} to {most}"
    if metered.errors > answered.cut:
        return f"{metered.errors} errors, at most {answered.cut} calls were cut"
    if metered.unpriced_calls > answered.cut:
        return f"{metered.unpriced_calls} calls without a price"
    if metered.cost_usd < answered.answers * CALL_USD:
        return f"{metered.cost_usd} USD, at least {answered.answers * CALL_USD} were spent"
    return None
