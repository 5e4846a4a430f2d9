"""What a call must carry so that budgets can hold for it and throttles count it."""

from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.budgets.budget import Budget, Unit, Who
from modelmeter.budgets.contract import BoundRequest, CostBound
from modelmeter.budgets.gates import Gates
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.meter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.output_limits import default_limit, fitting_limit
from modelmeter.meter.turns import Turns
from modelmeter.providers import Dialect, RequestFacts
from modelmeter.record import CallBound, Clock
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["Bounded", "Bounding"]


class Bounded(msgspec.Struct, frozen=True):
    """A call as it would be made: with the most that it can use, if anything asks for that."""

    opening: CallOpening
    facts: RequestFacts
    """The request, with a limit of its output where that is enforced."""
    output_limit: int | None = None
    """The limit that was set for the caller."""
    limit_for: str | None = None
    """The budget to whose rest the limit was lowered."""


class Bounding:
    """Bounds the calls that a budget or throttle applies to; others pass as they are."""

    def __init__(
        self,
        gates: Gates,
        bound: CostBound,
        dialect_of: Callable[[str], Dialect],
        clock: Clock,
        policy: BudgetingSettings,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        """``refresh`` has a transaction take changed budgets up."""
        self._gates = gates
        self._bound = bound
        self._dialect_of = dialect_of
        self._clock = clock
        self._policy = policy
        self._refresh = refresh
        self._turns = Turns()

    def may_stop(self, opening: CallOpening) -> bool:
        """
        Whether some budget or throttle can refuse a call; asks no ledger.

        While changed budgets cannot be taken up, each call may be one that they would refuse.
        """
        gates, who = self._gates, _who(opening)
        return (
            gates.changing
            or bool(gates.throttles.applying(who))
            or any(budget.stops for budget in gates.budgets.applying(who))
        )

    async def bounded(
        self, opening: CallOpening, kind: str, facts: RequestFacts, *, final: bool = False
    ) -> Bounded:
        """
        The call with its bound, and its request with a limit of output where it needs one.

        Unless it is ``final``, a refusal may not be the last word: the call waits for its turn,
        or is asked for again with a lower limit.

        A budget that was changed before this is asked counts as changed.

        Raises:
            LedgerUnavailableError: changed budgets cannot be taken up now.
            RefusedRequestError: nothing bounds its cost and a budget needs that, or it asks for
                what no provider takes.
        """
        gates = self._gates
        if gates.changing:
            await self._refresh()
        if not gates.active:
            return Bounded(opening, facts)
        who = _who(opening)
        budgets, throttles = gates.budgets.applying(who), gates.throttles.applying(who)
        if not budgets and not throttles:
            return Bounded(opening, facts)
        stopping = any(budget.stops for budget in budgets)
        enforced = stopping or any(one.tokens_per_minute is not None for one in throttles)
        limit = None
        if enforced:
            facts, bound, limit = self._enforced(opening.provider, kind, facts)
        else:
            bound = self._told(opening.provider, kind, facts)
        if bound.cost is None and self._policy.unpriced == "refuse":
            _require_price(budgets, opening.model)
        lowers = stopping and self._policy.clamp_output
        waits = any(one.queue_seconds for one in throttles)
        opening = msgspec.structs.replace(
            opening,
            bound=bound,
            is_held=enforced,
            output_tokens_max=facts.output_tokens_max,
            asks_again=not final and (lowers or waits),
        )
        return Bounded(opening, facts, limit)

    async def open(
        self, meter: Meter, opening: CallOpening, *, began_ns: int, still_wanted: Callable[[], None]
    ) -> OpenCall:
        """
        Open a call through ``meter``, at its turn; ``still_wanted`` raises if nobody waits for it.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: the call does not fit a budget and must not be made.
            ThrottledError: calls like it come too fast; it must not be made.
        """
        if not opening.asks_again:
            return await meter.open(opening, began_ns=began_ns)

        async def attempt(asks_again: bool) -> OpenCall:
            asking = msgspec.structs.replace(opening, asks_again=asks_again)
            return await meter.open(asking, began_ns=began_ns)

        return await self._turns.open(attempt, still_wanted)

    def lowered(self, bounded: Bounded, kind: str, error: BudgetExceededError) -> Bounded | None:
        """The request with a limit that fits what is left of a budget; None: not worth making."""
        facts, whole = bounded.facts, bounded.opening.bound
        limit = facts.output_tokens_max
        if not self._policy.clamp_output or whole is None or limit is None:
            return None
        request = self._request(bounded.opening.provider, kind, facts)
        least = self._bound.bound(msgspec.structs.replace(request, output_tokens_max=1))
        tokens = fitting_limit(error, limit, whole, least)
        dialect = self._dialect_of(kind)
        demand = dialect.demand(facts.operation, facts.model, facts.upstream_body, limit)
        worth = max(self._policy.clamped_output_tokens_min, demand.output_tokens_min)
        if tokens is None or tokens < worth:
            return None
        return Bounded(bounded.opening, dialect.limit_output(facts, tokens), tokens, error.budget)

    def _enforced(
        self, provider: str, kind: str, facts: RequestFacts
    ) -> tuple[RequestFacts, CallBound, int | None]:
        """The request with a limit of its output, its bound, and the limit if it is ours."""
        bound = self._bound.bound(self._request(provider, kind, facts))
        given = facts.output_tokens_max
        if not bound.output_tokens:
            return facts, bound, None
        limit = default_limit(facts.model, self._policy) if given is None else given
        facts = self._dialect_of(kind).limit_output(facts, limit)
        if given is not None:
            return facts, bound, None
        return facts, self._bound.bound(self._request(provider, kind, facts)), limit

    def _told(self, provider: str, kind: str, facts: RequestFacts) -> CallBound:
        """The bound of a call that nothing can stop, whatever it asks for."""
        try:
            return self._bound.bound(self._request(provider, kind, facts))
        except RefusedRequestError:
            return CallBound(cost=None, tokens=len(facts.upstream_body), output_tokens=0)

    def _request(self, provider: str, kind: str, facts: RequestFacts) -> BoundRequest:
        return BoundRequest(
            provider=provider,
            kind=kind,
            operation=facts.operation,
            model=facts.model,
            body=facts.upstream_body,
            output_tokens_max=facts.output_tokens_max,
            at_ns=self._clock.time_ns(),
        )


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


def _require_price(budgets: tuple[Budget, ...], model: str) -> None:
    for budget in budgets:
        if budget.unit is Unit.USD and budget.stops:
            raise RefusedRequestError(
                f"no price is known for model {model!r}, so budget {budget.name!r} cannot hold "
                "for this call; ask your operator for a price, or for "
                'budgeting.unpriced = "allow"',
                code="unpriced_model",
                http_status=403,
            )
