"""How a call that does not fit a budget is told so."""

from datetime import UTC, datetime
from math import ceil

from modelmeter.budgets.decision import Claim, in_units
from modelmeter.budgets.windows import Slice
from modelmeter.errors import BudgetExceededError
from modelmeter.record import usd_text

__all__ = ["exceeded"]

_NS = 1_000_000_000


def exceeded(
    claim: Claim,
    found: Slice,
    now_ns: int,
    downgrade_to: str | None,
    *,
    held_retry_after_seconds: float,
) -> BudgetExceededError:
    """
    The error for a call that ``claim`` was made for, in the slice ``found``.

    What others hold comes back long before a window ends, and nobody knows when: where that alone
    is in the way, the call may be tried again after ``held_retry_after_seconds``.
    """
    budget = claim.budget
    unit = "USD" if budget.unit == "usd" else budget.unit.value
    resets_at = None
    resets = "it frees up as its window rolls on"
    if not budget.window.rolls:
        resets_at = datetime.fromtimestamp(found.end_ns // _NS, UTC)
        resets = f"it resets at {resets_at.astimezone(budget.window.zone).isoformat()}"
    rest_seconds = (found.end_ns - now_ns) / _NS
    if claim.waits:
        rest_seconds = min(rest_seconds, held_retry_after_seconds)
        resets = "calls under way hold the rest: try again when they have ended"
    return BudgetExceededError(
        f"budget {budget.name!r} has no room for this call: limit {usd_text(claim.limit)} {unit}, "
        f"spent {usd_text(claim.settled)}, reserved {usd_text(claim.reserved)}, "
        f"this call at most {usd_text(claim.needed)}; {resets}",
        budget=budget.name,
        unit=budget.unit.value,
        limit=in_units(claim.limit),
        spent=in_units(claim.settled),
        reserved=in_units(claim.reserved),
        resets_at=resets_at,
        retry_after_seconds=max(ceil(rest_seconds), 1),
        downgrade_to=downgrade_to,
        frees_soon=claim.waits,
    )
