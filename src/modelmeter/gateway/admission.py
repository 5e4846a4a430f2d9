"""The gateway's door to budgets and throttles; without any it only opens the call."""

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Self

import msgspec

from modelmeter.gateway.door import Door
from modelmeter.gateway.upstream import UpstreamRequest
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.admission import Admitted, admit
from modelmeter.meter.bounding import Bounding
from modelmeter.providers import RequestFacts

__all__ = ["Admission", "Asked", "Opened"]

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

    def of(self, facts: RequestFacts) -> Self:
        """The same request with another body."""
        return msgspec.structs.replace(self, facts=facts)

    def to_model(self, model: str) -> Self:
        """The request as its caller made it, to another model."""
        dialect = self.door.dialect
        path, body = dialect.ask_model(self.path, self.body, model)
        facts = dialect.read_request(self.facts.operation, path, body)
        opening = msgspec.structs.replace(
            self.opening, model=facts.model, output_tokens_max=facts.output_tokens_max
        )
        return msgspec.structs.replace(self, path=path, body=body, facts=facts, opening=opening)


class Opened(msgspec.Struct, frozen=True):
    """A call that stands in the ledger, and the request that is to be made for it."""

    call: OpenCall
    request: UpstreamRequest


class Admission:
    """Opens the calls of one event loop."""

    def __init__(self, meter: Meter, bounding: Bounding) -> None:
        self._meter = meter
        self._bounding = bounding

    async def open(
        self, asked: Asked, send: Send, *, began_ns: int, still_wanted: Callable[[], None]
    ) -> Admitted[Asked, Opened]:
        """
        Commit the intent of a call and hold for it; ``still_wanted`` raises if its caller left.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: it does not fit a budget, nor would a cheaper model.
            ThrottledError: calls like it come too fast.
            RefusedRequestError: there is no credential to send, or nothing bounds its cost.
        """

        async def open_call(made: Asked, opening: CallOpening) -> Opened:
            if opening.bound is None:
                return await self._meanwhile(made, opening, send, began_ns)
            request = await send(made.path, made.facts.upstream_body)
            call = await self._bounding.open(
                self._meter, opening, began_ns=began_ns, still_wanted=still_wanted
            )
            return Opened(call, request)

        return await admit(asked, self._bounding, asked.door.kind, _opening_of, open_call)

    async def _meanwhile(
        self, made: Asked, opening: CallOpening, send: Send, began_ns: int
    ) -> Opened:
        """Nothing refuses this call: its request is made while its intent goes to the disk."""
        call = self._meter.begin(opening, began_ns=began_ns)
        try:
            request = await send(made.path, made.facts.upstream_body)
        except BaseException:
            call.withdraw()
            raise
        await call.opened()
        return Opened(call, request)

    def may_stop(self, opening: CallOpening) -> bool:
        """Whether some budget or throttle can refuse a call; asks no ledger."""
        return self._bounding.may_stop(opening)


_opening_of: Callable[[Asked], CallOpening] = attrgetter("opening")
