"""Metrics of a program that meters its calls itself: the same series, told piece by piece."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec

from modelmeter.errors import ModelmeterError
from modelmeter.ledger import Counted, Noted
from modelmeter.ledger.series import CACHE_HITS, CACHE_MISSES, ERRORS
from modelmeter.ledger.series_reader import read_series
from modelmeter.ledger.transaction import SeriesShown
from modelmeter.ledger.writer import Probe
from modelmeter.metrics import BirthHold, Exposition
from modelmeter.record import (
    CacheMiss,
    Caller,
    Clock,
    Status,
    Teams,
    TokenCounts,
)
from modelmeter.service.circuit import Circuits
from modelmeter.service.circuit_samples import circuit_samples
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.told_cache import ToldCache
from modelmeter.service.told_call import told_call
from modelmeter.service.told_values import ToldValues

__all__ = ["ACTIVE_MAX", "TENANTS_MAX", "LLMMetrics"]

logger = logging.getLogger(__name__)

ACTIVE_MAX = 200
"""Pairs of agent and provider whose calls under way are counted; further ones are left out."""
TENANTS_MAX = 200
"""Tenants whose cache sizes are kept; further ones are left out."""

_STATUSES = frozenset(Status)


class LLMMetrics:
    """
    Counters in the ledger, gauges in the process.

    A call that is recorded here is counted, not entered: a program that also keeps costs tells
    them to the `CostTracker`, and neither is counted twice. Nothing that records waits for the
    disk or raises: a call that cannot be taken is logged, a value that cannot be counted is left
    out and the rest of its call counted.
    """

    def __init__(
        self,
        ledger: LedgerAccess,
        teams: Teams,
        clock: Clock,
        exposition: Exposition,
        hold: BirthHold,
        circuits: Callable[[], Circuits] | None = None,
    ) -> None:
        self._ledger = ledger
        self._teams = teams
        self._clock = clock
        self._exposition = exposition
        self._hold = hold
        self._circuits = circuits
        self._turn = threading.Lock()
        self._active: Counter[tuple[str, str]] = Counter()
        self._cache_sizes: dict[str, int] = {}
        self._values = ToldValues()
        self._cache = ToldCache()

    def record_request(
        self,
        agent_id: str,
        model: str,
        provider: str,
        status: str,
        duration_seconds: float,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cached: bool = False,
        cost: float = 0.0,
    ) -> None:
        """
        Count a call that ended: its status, duration, tokens and cost in USD.

        A status that is none of `modelmeter.record.Status` counts as ``unknown``. ``cached``
        counts as a hit unless `record_cache_hit` tells the same; a call that is not cached counts
        as a miss after a first hit of that agent and model, unless they are told by name.
        """
        read = self._values
        agent_id, model = read.word("agent_id", agent_id), read.word("model", model)
        status, cached = read.word("status", status), bool(cached)
        duration_ns = read.nanoseconds("duration_seconds", duration_seconds)
        call = told_call(
            Caller(agent_id=agent_id, team=self._teams.of(agent_id)),
            model,
            read.word("provider", provider),
            started_at_ns=self._clock.time_ns(),
            tokens=TokenCounts(
                input=read.count("prompt_tokens", prompt_tokens) or 0,
                output=read.count("completion_tokens", completion_tokens) or 0,
            ),
            cost=read.cost("cost", cost),
        )
        counts = self._cache.flagged(agent_id, model, cached=cached)
        miss = CacheMiss.FIRST_SEEN if counts and not cached else None
        call = msgspec.structs.replace(
            call,
            intent=msgspec.structs.replace(call.intent, cache_miss=miss),
            status=Status(status) if status in _STATUSES else Status.UNKNOWN,
            duration_ns=duration_ns or 0,
            cached=counts and cached,
        )
        self._tell(Counted(call, has_duration=duration_ns is not None))

    def record_error(self, agent_id: str, model: str, provider: str, error_type: str) -> None:
        """Count an error; ``error_type`` in the program's own words."""
        read = self._values
        self._tell(
            Noted(
                ERRORS,
                read.word("agent_id", agent_id),
                read.word("model", model),
                read.word("provider", provider),
                read.word("error_type", error_type),
            )
        )

    def record_cache_hit(self, agent_id: str, model: str) -> None:
        """Count an answer from the program's own cache."""
        self._tell_of_cache(CACHE_HITS, agent_id, model)

    def record_cache_miss(self, agent_id: str, model: str) -> None:
        """Count a question that the program's own cache could not answer."""
        self._tell_of_cache(CACHE_MISSES, agent_id, model)

    def set_cache_size(self, tenant_id: str, size: int) -> None:
        """Show ``size`` entries as the size of a tenant's cache."""
        tenant_id = self._values.word("tenant_id", tenant_id)
        entries = self._values.count("size", size)
        with self._turn:
            known = tenant_id in self._cache_sizes or len(self._cache_sizes) < TENANTS_MAX
            if known and entries is not None:
                self._cache_sizes[tenant_id] = entries

    def increment_active_requests(self, agent_id: str, provider: str) -> None:
        """A call begins."""
        pair = self._pair(agent_id, provider)
        with self._turn:
            if pair in self._active or len(self._active) < ACTIVE_MAX:
                self._active[pair] += 1

    def decrement_active_requests(self, agent_id: str, provider: str) -> None:
        """A call ends; one that was never begun leaves the gauge at 0."""
        pair = self._pair(agent_id, provider)
        with self._turn:
            if self._active[pair] > 0:
                self._active[pair] -= 1

    @contextmanager
    def track_request(
        self, agent_id: str, model: str, provider: str
    ) -> Generator[None, None, None]:
        """Show a call as under way while the block runs, also around ``await``."""
        self.increment_active_requests(agent_id, provider)
        try:
            yield
        finally:
            self.decrement_active_requests(agent_id, provider)

    def get_metrics(self) -> bytes:
        """
        The exposition text, with all that was told before.

        A new series stands at 0 for two scrape intervals, as on the gateway's ``/metrics``.

        Raises:
            LedgerError: the ledger cannot be read now.
        """
        self._ledger.commit(Probe())
        snapshot = self._ledger.read(read_series)
        until_ns = self._hold.newly_shown_until_ns(snapshot)
        if until_ns is not None:
            self._ledger.commit(SeriesShown(until_ns))
            snapshot = msgspec.structs.replace(snapshot, shown_until_ns=until_ns)
        with self._turn:
            active = [(agent, provider, n) for (agent, provider), n in self._active.items()]
            cache_sizes = dict(self._cache_sizes)
        shown = msgspec.structs.replace(
            snapshot,
            open_calls=[*snapshot.open_calls, *active],
            agents=snapshot.agents.union(agent for agent, _, _ in active),
        )
        text, _ = self._exposition.render(
            shown,
            "text/plain",
            process=[
                *([] if self._circuits is None else circuit_samples(self._circuits())),
                *self._values.samples(),
            ],
            cache_sizes=cache_sizes,
        )
        return text

    def _pair(self, agent_id: str, provider: str) -> tuple[str, str]:
        read = self._values
        return read.word("agent_id", agent_id), read.word("provider", provider)

    def _tell_of_cache(self, kind: str, agent_id: str, model: str) -> None:
        agent_id, model = self._values.word("agent_id", agent_id), self._values.word("model", model)
        if self._cache.named(agent_id, model, hit=kind == CACHE_HITS):
            self._tell(Noted(kind, agent_id, model))

    def _tell(self, work: Counted | Noted) -> None:
        try:
            self._ledger.tell(work)
        except ModelmeterError as error:
            logger.warning("a call was not counted: %s", error)
