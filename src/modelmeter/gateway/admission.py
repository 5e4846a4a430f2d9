"""Opens a call under the budgets that apply to it, for another model where one asks for that."""

from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.errors import BudgetExceededError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.door import Door
from modelmeter.gateway.upstream import UpstreamRequest
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.bounding import CHANGES_MAX, Bounded, Bounding, downgrade_loop
from modelmeter.meter.told import limit_told, model_told
from modelmeter.providers import RequestFacts

__all__ = ["Admission", "Admitted", "Asked"]

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
    """The gateway's door to budgets and throttles; without any it only opens the call."""

    def __init__(self, meter: Meter, bounding: Bounding) -> None:
        self._meter = meter
        self._bounding = bounding

    async def open(
        self, asked: Asked, send: Send, *, began_ns: int, still_wanted: Callable[[], None]
    ) -> Admitted:
        """
        Commit the intent of a call and hold for it; ``still_wanted`` raises if its caller left.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: it does not fit a budget, nor would a cheaper model.
            ThrottledError: calls like it come too fast.
            RefusedRequestError: there is no credential to send, or nothing bounds its cost.
        """
        headers: Headers = []
        final = False
        for _ in range(CHANGES_MAX):
            bounded = await self._bounding.bounded(
                asked.opening, asked.door.kind, asked.facts, final=final
            )
            if bounded.opening.bound is None:
                call, request = await self._meanwhile(asked.path, bounded, send, began_ns)
                return Admitted(call, bounded.facts, request, headers)
            request = await send(asked.path, bounded.facts.upstream_body)
            try:
                call = await self._bounding.open(
                    self._meter, bounded.opening, began_ns=began_ns, still_wanted=still_wanted
                )
            except BudgetExceededError as error:
                if error.downgrade_to is not None:
                    asked = _downgraded(asked, error.downgrade_to, error.budget)
                    headers, final = model_told(asked.opening), False
                    continue
                if not bounded.opening.asks_again:
                    raise
                # At the least once more, for the record.
                final = True
                lower = self._bounding.lowered(bounded, asked.door.kind, error)
                if lower is not None:
                    asked = msgspec.structs.replace(asked, facts=lower.facts)
                    headers = headers + limit_told(lower)
            else:
                told = headers + limit_told(bounded)
                return Admitted(call, bounded.facts, request, told)
        raise downgrade_loop(asked.opening.model)

    async def _meanwhile(
        self, path: str, bounded: Bounded, send: Send, began_ns: int
    ) -> tuple[OpenCall, UpstreamRequest]:
        """Nothing refuses this call: its request is made while its intent goes to the disk."""
        call = self._meter.begin(bounded.opening, began_ns=began_ns)
        try:
            request = await send(path, bounded.facts.upstream_body)
        except BaseException:
            call.withdraw()
            raise
        await call.opened()
        return call, request

    def may_stop(self, opening: CallOpening) -> bool:
        """Whether some budget or throttle can refuse a call; asks no ledger."""
        return self._bounding.may_stop(opening)


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
