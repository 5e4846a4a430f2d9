"""The door of a wrapped client to the meter, its budgets and throttles."""

from collections.abc import Callable

import msgspec

from modelmeter.errors import BudgetExceededError
from modelmeter.meter import CallOpening, Meter
from modelmeter.meter.bounding import CHANGES_MAX, Bounding, downgrade_loop
from modelmeter.meter.told import limit_told, model_told
from modelmeter.providers import Dialect, RequestFacts
from modelmeter.record import Caller, Clock
from modelmeter.service.wrapping.watched_call import Headers, WatchedCall

__all__ = ["AskedFor", "MeterDoor"]

_ATTEMPTS_MAX = 100


class AskedFor(msgspec.Struct, frozen=True):
    """A metered request as a client made it."""

    path: str
    """Behind the client's base address."""
    body: bytes
    facts: RequestFacts


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
            RefusedRequestError: it cannot be read.
        """
        path = path.removeprefix(self.base_path)
        operation = self.dialect.operation(method, path)
        if operation is None:
            return None
        return AskedFor(path, body, self.dialect.read_request(operation, path, body))

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
        requested, told = asked.facts.model, Headers()
        downgraded_by: str | None = None
        final = is_signed
        for _ in range(CHANGES_MAX):
            opening = msgspec.structs.replace(
                self._opening(asked.facts, attempt),
                model_requested=None if downgraded_by is None else requested,
                downgraded_by=downgraded_by,
                takes_other_model=not is_signed,
            )
            bounded = await bounding.bounded(opening, self.kind, asked.facts, final=final)
            try:
                call = await bounding.open(
                    self.meter(), bounded.opening, began_ns=began_ns, still_wanted=_wanted
                )
            except BudgetExceededError as error:
                if error.downgrade_to is not None:
                    asked, downgraded_by = self._of(asked, error.downgrade_to), error.budget
                    told, final = [], False
                    continue
                if not bounded.opening.asks_again:
                    raise
                # At the least once more, for the record.
                final = True
                lower = bounding.lowered(bounded, self.kind, error)
                if lower is not None:
                    asked = msgspec.structs.replace(asked, facts=lower.facts)
                    told = limit_told(lower)
            else:
                told = [*model_told(opening), *told, *limit_told(bounded)]
                return WatchedCall(call, asked.path, bounded.facts, self.dialect, told)
        raise downgrade_loop(asked.facts.model)

    def _of(self, asked: AskedFor, model: str) -> AskedFor:
        """The same request to another model."""
        path, body = self.dialect.ask_model(asked.path, asked.body, model)
        return AskedFor(path, body, self.dialect.read_request(asked.facts.operation, path, body))

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
