"""The door of a wrapped client to the meter, its budgets and throttles."""

from collections.abc import Callable
from typing import Self

import msgspec

from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.admission import admit
from modelmeter.meter.bounding import Bounding
from modelmeter.providers import Dialect, RequestFacts
from modelmeter.providers.spelling import operation_at
from modelmeter.record import Caller, Clock
from modelmeter.service.wrapping.watched_call import WatchedCall

__all__ = ["AskedFor", "MeterDoor"]

_ATTEMPTS_MAX = 100


class AskedFor(msgspec.Struct, frozen=True):
    """A metered request as a client made it."""

    path: str
    """Behind the client's base address."""
    body: bytes
    facts: RequestFacts
    dialect: Dialect

    def of(self, facts: RequestFacts) -> Self:
        """The same request with another body."""
        return msgspec.structs.replace(self, facts=facts)

    def to_model(self, model: str) -> Self:
        """The request as its client made it, to another model."""
        path, body = self.dialect.ask_model(self.path, self.body, model)
        facts = self.dialect.read_request(self.facts.operation, path, body)
        return msgspec.structs.replace(self, path=path, body=body, facts=facts)


class MeterDoor(msgspec.Struct, frozen=True):
    """Whose calls a wrapped client makes, of whom, and where they are metered."""

    caller: Caller
    provider: str
    kind: str
    dialect: Dialect
    base_path: str
    """The path of the client's base address, which the dialect does not know."""
    meter: Callable[[], Meter]
    """The meter for the event loop that runs now."""
    bounding: Callable[[], Bounding]
    """What bounds calls, for the event loop that runs now."""
    clock: Clock

    def read(self, method: str, path: str, body: bytes) -> AskedFor | None:
        """
        What a request asks for; None: it is no metered operation.

        Raises:
            RefusedRequestError: it cannot be read, or its path is not exactly an operation's.
        """
        path = path.removeprefix(self.base_path)
        operation = operation_at(self.dialect, method, path)
        if operation is None:
            return None
        facts = self.dialect.read_request(operation, path, body)
        return AskedFor(path, body, facts, self.dialect)

    async def limited(self, asked: AskedFor) -> bytes:
        """
        The body with a limit of its output, where a budget needs one.

        Raises:
            RefusedRequestError: nothing bounds its cost, and a budget needs that.
            LedgerUnavailableError: changed budgets cannot be taken up now.
        """
        opening = self._opening(asked.facts, 0)
        bounded = await self.bounding().bounded(opening, self.kind, asked.facts, final=True)
        return bounded.facts.upstream_body

    async def open(
        self, asked: AskedFor, retries: str | None, *, is_signed: bool = False
    ) -> WatchedCall:
        """
        Commit a call's intent; unless it ``is_signed``, what it asks for can be made cheaper.

        Raises:
            RefusedRequestError: nothing bounds its cost, and a budget needs that.
            BudgetExceededError: it does not fit a budget, nor would a cheaper model.
            ThrottledError: calls like it come too fast.
            LedgerUnavailableError: the intent is not committed.
        """
        began_ns = self.clock.monotonic_ns()
        bounding, attempt = self.bounding(), _attempt(retries)

        def opening_of(asked: AskedFor) -> CallOpening:
            opening = self._opening(asked.facts, attempt)
            return msgspec.structs.replace(opening, takes_other_model=not is_signed)

        async def open_call(_: AskedFor, opening: CallOpening) -> OpenCall:
            return await bounding.open(
                self.meter(), opening, began_ns=began_ns, still_wanted=_wanted
            )

        admitted = await admit(
            asked, bounding, self.kind, opening_of, open_call, is_final=is_signed
        )
        made = admitted.request
        return WatchedCall(admitted.opened, made.path, made.facts, self.dialect, admitted.told)

    def _opening(self, facts: RequestFacts, attempt: int) -> CallOpening:
        return CallOpening(
            caller=self.caller,
            provider=self.provider,
            operation=facts.operation,
            model=facts.model,
            streamed=facts.streamed,
            input_bytes=len(facts.upstream_body),
            output_tokens_max=facts.output_tokens_max,
            answers=facts.answers,
            attempt=attempt,
        )


def _attempt(retries: str | None) -> int:
    if retries is None or not retries.isascii() or not retries.isdigit():
        return 0
    return min(int(retries[:3]), _ATTEMPTS_MAX)


def _wanted() -> None:
    """Who waits for a call in a process is there as long as it waits."""
