"""Opens a call under the budgets and throttles that apply to it, changed where they ask for it."""

from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.budgets.budget import Budget, Unit
from modelmeter.budgets.gates import Gates
from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.asked import Asked, Told, who_asks
from modelmeter.gateway.exchange import UpstreamRequest
from modelmeter.gateway.output_limits import OutputLimits
from modelmeter.gateway.throttle_queue import ThrottleQueue
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.providers import RequestFacts
from modelmeter.record import CallBound
from modelmeter.settings.budgets import BudgetingSettings

__all__ = ["CHANGES_MAX", "Admission", "Admitted"]

CHANGES_MAX = 5
"""How often one call may be changed: sent on to a cheaper model, or its limit lowered."""

MODEL_REQUESTED_HEADER = b"x-modelmeter-model-requested"
MODEL_USED_HEADER = b"x-modelmeter-model-used"
DOWNGRADED_BY_HEADER = b"x-modelmeter-downgraded-by"

Send = Callable[[str, bytes], Awaitable[UpstreamRequest]]
"""Makes the upstream's request of a path and a body."""


class Admitted(msgspec.Struct, frozen=True):
    """A call that may be made."""

    call: OpenCall
    facts: RequestFacts
    request: UpstreamRequest
    headers: Headers
    """What the caller is told with the answer."""


class Admission:
    """The gateway's door to budgets and throttles; without any it only opens the call."""

    def __init__(
        self, meter: Meter, gates: Gates, limits: OutputLimits, policy: BudgetingSettings
    ) -> None:
        self._meter = meter
        self._gates = gates
        self._limits = limits
        self._policy = policy
        self._queue = ThrottleQueue()

    async def open(
        self, asked: Asked, send: Send, *, began_ns: int, has_left: Callable[[], bool]
    ) -> Admitted:
        """
        Commit the intent of a call and hold for it; ``has_left`` tells that nobody waits for it.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: it does not fit a budget, nor would a cheaper model.
            ThrottledError: calls like it come too fast.
            RefusedRequestError: there is no credential to send, or nothing bounds its cost.
            ClientGoneError: the caller left while the call waited for its turn.
        """
        refusal: BudgetExceededError | None = None
        for _ in range(CHANGES_MAX):
            asked = self._bounded(asked)
            request = await send(asked.path, asked.facts.upstream_body)
            try:
                call = await self._open(asked.opening, began_ns, has_left)
            except BudgetExceededError as error:
                refusal = error
                asked = self._otherwise(asked, error)
            else:
                return Admitted(call, asked.facts, request, [*asked.told])
        raise RefusedRequestError(
            f"budgets send this call from one model to another: {asked.opening.model!r} is the "
            "last of them; let each downgrade lead to the cheapest",
            code="downgrade_loop",
            http_status=429,
        ) from refusal

    def may_stop(self, opening: CallOpening) -> bool:
        """Whether some budget or throttle can refuse a call; asks no ledger."""
        gates, who = self._gates, who_asks(opening)
        return bool(gates.throttles.applying(who)) or any(
            budget.stops for budget in gates.budgets.applying(who)
        )

    async def _open(
        self, opening: CallOpening, began_ns: int, has_left: Callable[[], bool]
    ) -> OpenCall:
        if not opening.asks_again:
            return await self._meter.open(opening, began_ns=began_ns)

        async def attempt(asks_again: bool) -> OpenCall:
            return await self._meter.open(
                msgspec.structs.replace(opening, asks_again=asks_again), began_ns=began_ns
            )

        return await self._queue.open(attempt, has_left)

    def _bounded(self, asked: Asked) -> Asked:
        gates = self._gates
        if not gates.active:
            return asked
        who = who_asks(asked.opening)
        budgets, throttles = gates.budgets.applying(who), gates.throttles.applying(who)
        if not budgets and not throttles:
            return asked
        stopping = any(budget.stops for budget in budgets)
        enforced = stopping or any(one.tokens_per_minute is not None for one in throttles)
        asked = self._limits.bounded(asked, enforced=enforced)
        bound = asked.opening.bound
        if bound is not None and bound.cost is None and self._policy.unpriced == "refuse":
            _require_price(budgets, bound, asked.opening.model)
        lowers = stopping and self._policy.clamp_output
        waits = any(one.queue_seconds for one in throttles)
        opening = msgspec.structs.replace(
            asked.opening, asks_again=not asked.final and (lowers or waits)
        )
        return msgspec.structs.replace(asked, opening=opening)

    def _otherwise(self, asked: Asked, error: BudgetExceededError) -> Asked:
        """
        How a refused call may be made after all; at the least once more, for the record.

        Raises:
            BudgetExceededError: it may not.
        """
        if error.downgrade_to is not None:
            return _downgraded(asked, error.downgrade_to, error.budget)
        if not asked.opening.asks_again:
            raise error
        return msgspec.structs.replace(self._limits.lowered(asked, error) or asked, final=True)


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
    opening = msgspec.structs.replace(
        opening,
        model=facts.model,
        output_tokens_max=facts.output_tokens_max,
        model_requested=opening.model_requested or opening.model,
        downgraded_by=budget,
    )
    return Asked(door, path, body, facts, opening, told=_told(opening))


def _told(opening: CallOpening) -> Told:
    told = (
        (MODEL_REQUESTED_HEADER, opening.model_requested),
        (MODEL_USED_HEADER, opening.model),
        (DOWNGRADED_BY_HEADER, opening.downgraded_by),
    )
    return tuple((name, _header_text(value)) for name, value in told if value is not None)


def _header_text(value: str) -> bytes:
    """Names are printable, but need not be ASCII."""
    return value.encode("ascii", "backslashreplace")
