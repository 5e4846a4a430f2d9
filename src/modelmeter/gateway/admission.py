"""Opens a call under the budgets that apply to it, for another model where one asks for that."""

from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.budgets.budget import Budget, Unit, Who
from modelmeter.budgets.contract import BoundRequest, CostBound
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.door import Door
from modelmeter.gateway.exchange import UpstreamRequest
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.providers import RequestFacts
from modelmeter.record import CallBound, Clock
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["DOWNGRADES_MAX", "Admission", "Admitted", "Asked"]

DOWNGRADES_MAX = 3
"""How often one call may be sent on to a cheaper model: budgets may stand one behind another."""

MODEL_REQUESTED_HEADER = b"x-modelmeter-model-requested"
MODEL_USED_HEADER = b"x-modelmeter-model-used"
DOWNGRADED_BY_HEADER = b"x-modelmeter-downgraded-by"

Send = Callable[[str, bytes], Awaitable[UpstreamRequest]]
"""Makes the upstream's request of a path and a body."""


class Asked(msgspec.Struct, frozen=True):
    """A metered request as it would go upstream."""

    door: Door
    path: str
    body: bytes
    """The caller's own."""
    facts: RequestFacts
    opening: CallOpening


class Admitted(msgspec.Struct, frozen=True):
    """A call that may be made."""

    call: OpenCall
    facts: RequestFacts
    request: UpstreamRequest
    headers: Headers
    """What the caller is told with the answer."""


class Admission:
    """The gateway's door to budgets; without any it only opens the call."""

    def __init__(
        self,
        meter: Meter,
        desk: BudgetDesk,
        bound: CostBound,
        clock: Clock,
        policy: BudgetingSettings,
    ) -> None:
        self._meter = meter
        self._desk = desk
        self._bound = bound
        self._clock = clock
        self._policy = policy

    async def open(self, asked: Asked, send: Send, *, began_ns: int) -> Admitted:
        """
        Commit the intent of a call and hold for it.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: it does not fit a budget, nor would a cheaper model.
            RefusedRequestError: there is no credential to send, or nothing bounds its cost.
        """
        headers: Headers = []
        for _ in range(DOWNGRADES_MAX):
            request = await send(asked.path, asked.facts.upstream_body)
            opening = self._bounded(asked)
            try:
                call = await self._meter.open(opening, began_ns=began_ns)
            except BudgetExceededError as error:
                if error.downgrade_to is None:
                    raise
                asked = _downgraded(asked, error.downgrade_to, error.budget)
                headers = _told(asked.opening)
            else:
                return Admitted(call, asked.facts, request, headers)
        raise RefusedRequestError(
            f"budgets send this call from one model to another: {asked.opening.model!r} is the "
            "last of them; let each downgrade lead to the cheapest",
            code="downgrade_loop",
            http_status=429,
        )

    def may_stop(self, opening: CallOpening) -> bool:
        """Whether some budget can refuse a call; asks no ledger."""
        return any(budget.stops for budget in self._desk.applying(_who(opening)))

    def _bounded(self, asked: Asked) -> CallOpening:
        opening = asked.opening
        if not self._desk.active:
            return opening
        budgets = self._desk.applying(_who(opening))
        if not budgets:
            return opening
        bound = self._bound.bound(
            BoundRequest(
                provider=asked.door.provider,
                kind=asked.door.kind,
                operation=asked.facts.operation,
                model=asked.facts.model,
                body=asked.facts.upstream_body,
                output_tokens_max=asked.facts.output_tokens_max,
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


def _downgraded(asked: Asked, model: str, budget: str) -> Asked:
    door, facts, opening = asked.door, asked.facts, asked.opening
    path, body = door.dialect.ask_model(asked.path, asked.body, model)
    facts = door.dialect.read_request(facts.operation, path, body)
    return Asked(
        door=door,
        path=path,
        body=body,
        facts=facts,
        opening=msgspec.structs.replace(
            opening,
            model=facts.model,
            output_tokens_max=facts.output_tokens_max,
            model_requested=opening.model_requested or opening.model,
            downgraded_by=budget,
        ),
    )


def _told(opening: CallOpening) -> Headers:
    told = (
        (MODEL_REQUESTED_HEADER, opening.model_requested),
        (MODEL_USED_HEADER, opening.model),
        (DOWNGRADED_BY_HEADER, opening.downgraded_by),
    )
    return [(name, _header_text(value)) for name, value in told if value is not None]


def _header_text(value: str) -> bytes:
    """Names are printable, but need not be ASCII."""
    return value.encode("ascii", "backslashreplace")
