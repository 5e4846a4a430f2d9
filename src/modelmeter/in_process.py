"""The composition root for programs that use modelmeter as a library: one of each a process."""

import atexit
import os
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from modelmeter.cache import ResponseCache
from modelmeter.cache.opening import open_store
from modelmeter.ledger import Ledger
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.memory import memory_ledger
from modelmeter.ledger.writer import Work
from modelmeter.meter import Meter, Pricer
from modelmeter.meter.bounding import Bounding
from modelmeter.pricing.catalogue_watch import CatalogueWatch
from modelmeter.record import Caller, Clock, SystemClock, Teams
from modelmeter.service import (
    cost_calculator,
    cost_tracker,
    llm_metrics,
    llm_service,
    platform_service,
)
from modelmeter.service.by_loop import ByLoop
from modelmeter.service.caching import CachingRouter
from modelmeter.service.circuit import Circuits
from modelmeter.service.llm_service import ServiceParts
from modelmeter.service.process_cache import ProcessCache
from modelmeter.service.process_ledger import ProcessLedger
from modelmeter.service.router import Router
from modelmeter.service.sdk.senders import SdkSender
from modelmeter.settings.load import load_settings
from modelmeter.settings.model import Settings
from modelmeter.settings.surroundings import with_surroundings

__all__ = [
    "CostTracker",
    "InProcess",
    "LLMCostCalculator",
    "LLMMetrics",
    "LLMService",
    "PlatformService",
    "close_in_process",
    "get_cost_tracker",
    "get_llm_metrics",
    "in_process",
    "wrap",
]

_CONFIG_VARIABLE = "MODELMETER_CONFIG"
_T = TypeVar("_T")


class _LoopParts(msgspec.Struct, frozen=True):
    """What each event loop has of its own."""

    sender: SdkSender
    answers: CachingRouter
    bounding: Bounding


class InProcess:
    """Settings, prices and the ledger of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """
        Read the configuration as `modelmeter serve` does: the file that MODELMETER_CONFIG names,
        with ``MODELMETER_…`` variables over it. Where neither names a ledger it lives in memory.

        Raises:
            SettingsError: the configuration cannot be used.
            LedgerError: the ledger cannot be used.
        """
        from modelmeter.wiring import price_book

        settings = with_surroundings(_configured(environment), environment)
        if _CONFIG_VARIABLE not in environment and "ledger" not in settings.model_fields_set:
            settings = settings.model_copy(update={"ledger": memory_ledger()})
        self.settings: Settings = settings
        self.clock = SystemClock()
        self.pricer = price_book(settings)
        opened = _opened(settings, self.pricer)
        self.ledger = ProcessLedger(
            settings.ledger, opened.writer, wait_seconds=settings.limits.ledger_wait_seconds
        )
        self.teams = Teams(settings.teams)
        self.time_zone = ZoneInfo(settings.time_zone)
        self.cache = _cache(settings, self.ledger, self.clock)
        self._catalogue = CatalogueWatch(self.pricer, settings.prices.catalogue)
        self.ledger.run(self._catalogue.__aenter__())
        self.circuits = Circuits(settings.routing, self.clock)
        self._parts = ByLoop(self._new_parts, lambda parts: parts.sender.close())

    def meter(self) -> Meter:
        """The meter for the event loop that runs now."""
        return Meter(self.ledger.of_running_loop(), self.pricer, self.clock)

    def sender(self) -> SdkSender:
        """The providers' SDKs for the event loop that runs now."""
        return self._parts.of_running_loop().sender

    def answers(self) -> CachingRouter:
        """What gives answers in the event loop that runs now."""
        return self._parts.of_running_loop().answers

    def bounding(self) -> Bounding:
        """What bounds calls, for the event loop that runs now."""
        return self._parts.of_running_loop().bounding

    def _new_parts(self) -> "_LoopParts":
        from modelmeter.wiring import bounding_of

        settings, ledger = self.settings, self.ledger.of_running_loop()
        bounding = bounding_of(settings, ledger, self.pricer, self.clock)
        router = Router(settings, self.clock, bounding, self.circuits)
        sender = SdkSender(settings.providers, settings.limits)
        return _LoopParts(sender, CachingRouter(router, self.cache), bounding)

    def close(self) -> None:
        """Commit what was handed in, release the ledger, and begin to close connections."""
        self._parts.drop_all()
        if self.cache is not None:
            self.cache.close()
        self.ledger.run(self._catalogue.__aexit__())
        self.ledger.close()


def _configured(environment: Mapping[str, str]) -> Settings:
    config = environment.get(_CONFIG_VARIABLE)
    return load_settings(Path(config) if config else None, environment)


def _opened(settings: Settings, pricer: Pricer) -> Ledger:
    """The ledger, with the budgets of the configuration if it has any."""
    from modelmeter.wiring import open_ledger, put_budgets

    # A ledger in memory lasts as long as somebody is connected to it.
    with closing(connect_writer(settings.ledger)):
        if settings.budgets:
            put_budgets(settings)
        return open_ledger(settings, pricer)


def _cache(settings: Settings, ledger: ProcessLedger, clock: Clock) -> ProcessCache | None:
    if not settings.cache.enabled:
        return None
    store = open_store(settings.cache, clock)
    return ProcessCache(ResponseCache(settings.cache, store, clock), ledger)


class _LedgerOfNow:
    """
    The ledger of the process that asks; see `LedgerAccess`.

    What was made before a fork goes on in the child, whose ledger is another: none of its
    parent's threads is there.
    """

    def run(self, work: Coroutine[None, None, _T]) -> _T:
        return in_process().ledger.run(work)

    def tell(self, work: Work) -> None:
        in_process().ledger.tell(work)

    def commit(self, work: Work) -> None:
        in_process().ledger.commit(work)

    def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        return in_process().ledger.read(query)


class LLMMetrics(llm_metrics.LLMMetrics):
    """The metrics of this process' ledger."""

    def __init__(self) -> None:
        from modelmeter import __version__
        from modelmeter.metrics import BirthHold, Exposition

        here = in_process()
        hold = BirthHold(here.clock, scrape_interval_seconds=here.settings.scrape_interval_seconds)
        super().__init__(
            _LedgerOfNow(),
            here.teams,
            here.clock,
            Exposition(version=__version__),
            hold,
            lambda: in_process().circuits,
        )


class CostTracker(cost_tracker.CostTracker):
    """The costs in this process' ledger."""

    def __init__(self, daily_budget: float | None = None) -> None:
        here = in_process()
        super().__init__(
            _LedgerOfNow(), here.teams, here.pricer, here.clock, here.time_zone, daily_budget
        )


class LLMCostCalculator(cost_calculator.LLMCostCalculator):
    """Estimates at the prices of this process' configuration."""

    @classmethod
    def prices(cls) -> Pricer:
        """The operator's own prices come first; no ledger is opened for them."""
        return _held.prices()


class LLMService(llm_service.LLMService):
    """Completions, streams and embeddings, metered in this process' ledger."""

    def __init__(self) -> None:
        here = in_process()
        super().__init__(
            ServiceParts(
                meter=lambda: in_process().meter(),
                sender=lambda: in_process().sender(),
                answers=lambda: in_process().answers(),
                teams=here.teams,
                clock=here.clock,
            )
        )


class PlatformService(platform_service.PlatformService):
    """The platform's calls, metered in this process' ledger."""

    def __init__(self) -> None:
        here = in_process()
        super().__init__(LLMService(), _LedgerOfNow(), here.clock, here.time_zone)


def wrap(
    client: _T,
    *,
    agent_id: str,
    tenant_id: str = "",
    team: str | None = None,
    provider: str | None = None,
) -> _T:
    """
    Meter a client that a program has: OpenAI, Anthropic, google-genai, or boto3's of Bedrock.

    Whatever it calls afterwards, streamed or not, is entered in this process' ledger and held to
    its budgets; a call that is refused raises what the SDK raises when its provider refuses. The
    response cache answers none: an answer of its own would be no object of the SDK's. OpenAI's
    and Anthropic's clients come back as metered copies, the others as they are.

    Raises:
        SettingsError: it is no client that can be metered, or the configuration cannot be used.
        LedgerError: the ledger cannot be used.
    """
    from modelmeter.service.wrapping.wrap_client import WrapParts, wrap_client

    here = in_process()
    caller = Caller(agent_id=agent_id, team=team or here.teams.of(agent_id), tenant_id=tenant_id)
    parts = WrapParts(
        _LedgerOfNow(),
        meter=lambda: in_process().meter(),
        bounding=lambda: in_process().bounding(),
        clock=here.clock,
    )
    return wrap_client(client, caller, provider, parts)


class _Held:
    """What this process has one of."""

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.base: InProcess | None = None
        self.metrics: LLMMetrics | None = None
        self.tracker: CostTracker | None = None
        self.pricer: Pricer | None = None
        self.of_parents: list[InProcess | None] = []

    def prices(self) -> Pricer:
        """The prices of the configuration, also where no ledger is opened yet."""
        from modelmeter.wiring import price_book

        with self.turn:
            if self.base is not None:
                return self.base.pricer
            if self.pricer is None:
                self.pricer = price_book(_configured(os.environ))
            return self.pricer

    def drop(self) -> None:
        """Let go of everything; what is asked for next is made anew."""
        with self.turn:
            base, self.base = self.base, None
            self.metrics = self.tracker = self.pricer = None
        if base is not None:
            base.close()

    def forget(self) -> None:
        """A child that was forked has none of its parent's threads."""
        # Never collected: SQLite must not close in a child what its parent has opened
        # (https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_).
        self.of_parents.append(self.base)
        self.turn = threading.RLock()
        self.base = self.metrics = self.tracker = self.pricer = None


_held = _Held()
os.register_at_fork(after_in_child=_held.forget)


def in_process() -> InProcess:
    """
    The parts of this process, made when they are first asked for.

    Raises:
        SettingsError: the configuration cannot be used.
        LedgerError: the ledger cannot be used.
    """
    with _held.turn:
        if _held.base is None:
            _held.base = InProcess(os.environ)
        return _held.base


def close_in_process() -> None:
    """Commit what was handed in and let go of the ledger; what is asked for next is made anew."""
    _held.drop()


atexit.register(close_in_process)


def get_llm_metrics() -> LLMMetrics:
    """
    This process' metrics.

    Raises:
        SettingsError: the configuration cannot be used.
        LedgerError: the ledger cannot be used.
    """
    with _held.turn:
        if _held.metrics is None:
            _held.metrics = LLMMetrics()
        return _held.metrics


def get_cost_tracker(daily_budget: float | None = None) -> CostTracker:
    """
    This process' costs; a ``daily_budget`` in USD, once given, stays until another is given.

    Raises:
        SettingsError: the configuration cannot be used.
        LedgerError: the ledger cannot be used.
    """
    with _held.turn:
        if _held.tracker is None:
            _held.tracker = CostTracker(daily_budget)
        elif daily_budget is not None:
            _held.tracker.daily_budget = daily_budget
        return _held.tracker
