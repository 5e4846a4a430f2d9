"""What a call must carry so that the budgets that apply to it can hold for it."""

import msgspec

from modelmeter.budgets.budget import Budget, Unit, Who
from modelmeter.budgets.contract import BoundRequest, CostBound
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.errors import RefusedRequestError
from modelmeter.meter.meter import CallOpening
from modelmeter.providers import RequestFacts
from modelmeter.record import CallBound, Clock
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["DOWNGRADES_MAX", "Bounding"]

DOWNGRADES_MAX = 3
"""How often one call may be sent on to a cheaper model: budgets may stand one behind another."""


class Bounding:
    """Bounds the cost of the calls that a budget applies to; others pass as they are."""

    def __init__(
        self, desk: BudgetDesk, bound: CostBound, clock: Clock, policy: BudgetingSettings
    ) -> None:
        self._desk = desk
        self._bound = bound
        self._clock = clock
        self._policy = policy

    def may_stop(self, opening: CallOpening) -> bool:
        """Whether some budget can refuse a call; asks no ledger."""
        return any(budget.stops for budget in self._desk.applying(_who(opening)))

    def bounded(self, opening: CallOpening, kind: str, facts: RequestFacts) -> CallOpening:
        """
        The opening with the most that its call can use, if a budget applies to it.

        Raises:
            RefusedRequestError: nothing bounds its cost, and a budget needs that.
        """
        if not self._desk.active:
            return opening
        budgets = self._desk.applying(_who(opening))
        if not budgets:
            return opening
        bound = self._bound.bound(
            BoundRequest(
                provider=opening.provider,
                kind=kind,
                operation=facts.operation,
                model=facts.model,
                body=facts.upstream_body,
                output_tokens_max=facts.output_tokens_max,
                at_ns=self._clock.time_ns(),
            )
        )
        if bound.cost is None and self._policy.unpriced == "refuse":
            _require_price(budgets, bound, opening.model)
        return msgspec.structs.replace(opening, bound=bound)


def _who(opening: CallOpening) -> Who:
    caller = opening.caller
    return (
        caller.tenant_id,
        caller.team,
        caller.agent_id,
        caller.key_id,
        opening.provider,
        opening.model,
    )


def _require_price(budgets: tuple[Budget, ...], bound: CallBound, model: str) -> None:
    for budget in budgets:
        if budget.unit is Unit.USD and budget.stops:
            raise RefusedRequestError(
                f"no price is known for model {model!r}, so budget {budget.name!r} cannot hold "
                "for this call; ask your operator for a price, or for "
                'budgeting.unpriced = "allow"',
                code="unpriced_model",
                http_status=403,
            )
