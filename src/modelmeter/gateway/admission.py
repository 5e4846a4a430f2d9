"""Opens a call under the budgets that apply to it, for another model where one asks for that."""

from collections.abc import Awaitable, Callable

import msgspec

from modelmeter.errors import BudgetExceededError, RefusedRequestError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.door import Door
from modelmeter.gateway.exchange import UpstreamRequest
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.bounding import DOWNGRADES_MAX, Bounding
from modelmeter.providers import RequestFacts

__all__ = ["Admission", "Admitted", "Asked"]

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

    def __init__(self, meter: Meter, bounding: Bounding) -> None:
        self._meter = meter
        self._bounding = bounding

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
            opening = self._bounding.bounded(asked.opening, asked.door.kind, asked.facts)
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
