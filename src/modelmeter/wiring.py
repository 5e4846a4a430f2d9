"""The composition root: puts a running gateway together from settings."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial

from modelmeter.alerts.channels import channels_of
from modelmeter.alerts.notifier import Notifier
from modelmeter.budgets.bound import DemandBound
from modelmeter.budgets.budget import budget_of
from modelmeter.budgets.definitions import sync_settings
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.gates import Gates
from modelmeter.budgets.models import dearer_models, doubtful_downgrades, unknown_models
from modelmeter.budgets.throttling.desk import ThrottleDesk
from modelmeter.budgets.throttling.throttle import throttle_of
from modelmeter.cache import ResponseCache
from modelmeter.cache.opening import open_store
from modelmeter.cache.upkeep import CacheUpkeep, forget_usage
from modelmeter.errors import LedgerUnavailableError
from modelmeter.gateway.admission import Admission
from modelmeter.gateway.app import GatewayApp, Mount
from modelmeter.gateway.budget_samples import BudgetWatch
from modelmeter.gateway.cache_desk import CacheDesk
from modelmeter.gateway.catalogue_samples import CatalogueSamples
from modelmeter.gateway.door import dialect_at, doors_of
from modelmeter.gateway.health import Health
from modelmeter.gateway.identity import Identity
from modelmeter.gateway.outbound import Outbound
from modelmeter.gateway.process_samples import ProcessCounts
from modelmeter.gateway.reader_door import ReaderDoor
from modelmeter.gateway.refusals import EarlyRefusals, RefusalCounts
from modelmeter.gateway.relay import Relay, RelayParts
from modelmeter.gateway.scrape import Scrape
from modelmeter.gateway.unified import Unified, UnifiedParts
from modelmeter.gateway.upstream_client import UpstreamClient
from modelmeter.gateway.wrong_keys import WrongKeys
from modelmeter.ledger import Ledger, LedgerBounds, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.meter import Knows, Meter, Pricer, lost_call, refused_call
from modelmeter.meter.bounding import Bounding
from modelmeter.pricing import PriceBook
from modelmeter.pricing.catalogue_file import load_catalogue
from modelmeter.pricing.catalogue_watch import CatalogueWatch
from modelmeter.pricing.endpoint_region import region_of_endpoint
from modelmeter.pricing.override_checks import unmatched_overrides
from modelmeter.pricing.override_terms import doubtful_terms
from modelmeter.pricing.overrides import Overrides
from modelmeter.providers import PROVIDER_KINDS, dialect_for
from modelmeter.providers.openai.tokenizer import load_tokenizers
from modelmeter.record import Call, Clock, Intent, SystemClock
from modelmeter.service.caching import CachingRouter
from modelmeter.service.router import Router
from modelmeter.settings.load import Fault
from modelmeter.settings.model import ProviderSettings, Settings
from modelmeter.web.mount import WEB_PATH_STARTS, WEB_PATHS, WebMount, WebParts

__all__ = [
    "bounding_of",
    "faults_of_settings",
    "gateway_app",
    "open_ledger",
    "price_book",
    "put_budgets",
    "response_cache",
    "wrong_overrides",
]

logger = logging.getLogger(__name__)


def price_book(settings: Settings, *, told: bool = True) -> PriceBook:
    """The prices for the configured providers; see `load_catalogue` for ``told``."""
    providers = settings.providers
    return PriceBook(
        {name: provider.kind for name, provider in providers.items()},
        {name: region for name, one in providers.items() if (region := _region(one))},
        Overrides(settings.prices),
        load_catalogue(settings.prices.catalogue, told=told),
    )


def _region(provider: ProviderSettings) -> str | None:
    """The address is where calls really go, so what it says stands before the setting."""
    return region_of_endpoint(provider.kind, provider.base_url) or provider.region


def wrong_overrides(settings: Settings) -> Iterable[Fault]:
    """Prices in the configuration that can never match; to be passed to `load_settings`."""
    prices = settings.prices
    if not (prices.models or prices.discounts or prices.deployments or prices.tool_fees):
        return ()
    for place, why in doubtful_terms(prices.models, settings.providers):
        logger.warning("%s %s", ".".join(str(part) for part in place), why)
    return unmatched_overrides(prices, settings.providers, price_book(settings, told=False))


def open_ledger(settings: Settings, pricer: Pricer) -> Ledger:
    """
    The ledger of the configuration, with what an earlier process left open settled.

    Raises:
        LedgerError: the file cannot be used.
    """
    limits = settings.limits

    def lost(intent: Intent) -> Call:
        return lost_call(intent, pricer)

    writer = LedgerWriter(
        settings.ledger,
        clock=SystemClock(),
        lost_call=lost,
        bounds=LedgerBounds(
            queue_max=limits.ledger_queue_max,
            batch_max=limits.ledger_batch_max,
            label_values_max=limits.label_values_max,
            label_value_bytes_max=limits.label_value_bytes_max,
        ),
        version=settings.version,
        reservations=Gates(
            BudgetDesk(settings.ledger, refused_call, limits),
            ThrottleDesk([throttle_of(one) for one in settings.throttles], refused_call),
        ),
    )
    return Ledger(writer, wait_seconds=limits.ledger_wait_seconds)


def faults_of_settings(settings: Settings) -> Iterator[Fault]:
    """
    What no gateway is served with: no keys where others reach it, and unknown or dearer models.

    Commands that only read a ledger need not know the keys, which may come by environment.
    """
    if settings.lets_anybody_in:
        why = f"{settings.listen!r} reaches beyond this machine, which needs gateway keys: "
        yield ("listen",), f"{why}make one with `modelmeter key new`, or listen on 127.0.0.1"
    yield from wrong_overrides(settings)
    if settings.budgets:
        now_ns = SystemClock().time_ns()
        told = (settings.budgets, settings.providers, price_book(settings, told=False), now_ns)
        yield from unknown_models(*told)
        yield from dearer_models(*told)
        for place, why in doubtful_downgrades(*told):
            logger.warning("%s %s", ".".join(str(part) for part in place), why)


def put_budgets(settings: Settings) -> None:
    """
    Make the budgets of the configuration those of its ledger, before a gateway opens it.

    Of gateways with different configurations on one ledger, the last one's stand.

    Raises:
        LedgerError: the file cannot be used.
    """
    budgets = [budget_of(one, time_zone=settings.time_zone) for one in settings.budgets]
    connection = connect_writer(settings.ledger)
    try:
        sync_settings(connection, budgets, SystemClock().time_ns())
    except sqlite3.Error as error:
        raise LedgerUnavailableError(f"cannot use the ledger {settings.ledger}: {error}") from error
    finally:
        connection.close()


def gates_of(ledger: Ledger) -> Gates:
    """The budgets and throttles of a ledger that `open_ledger` opened."""
    gates = ledger.writer.reservations
    if not isinstance(gates, Gates):
        raise TypeError("this ledger was opened without budgets")
    return gates


def _refusal_of_unknown(settings: Settings, pricer: PriceBook) -> Knows | None:
    return pricer.knows if settings.prices.unknown_models == "refuse" else None


def bounding_of(settings: Settings, ledger: Ledger, pricer: PriceBook, clock: Clock) -> Bounding:
    """What bounds calls for the budgets and throttles of a ledger that `open_ledger` opened."""
    dialects = {kind: dialect_for(kind) for kind in PROVIDER_KINDS}
    if settings.budgets or settings.throttles:
        load_tokenizers()
    bound = DemandBound(pricer, dialects.__getitem__)
    return Bounding(
        gates_of(ledger),
        bound,
        dialects.__getitem__,
        clock,
        settings.budgeting,
        refresh=ledger.refresh,
    )


@asynccontextmanager
async def gateway_app(
    settings: Settings, ledger: Ledger, pricer: PriceBook
) -> AsyncIterator[GatewayApp]:
    """The gateway over an open ledger, to be run inside this context."""
    async with (
        response_cache(settings, ledger) as cache,
        BudgetWatch(settings.ledger, SystemClock()) as budgets,
        CatalogueWatch(pricer, settings.prices.catalogue),
        _app_around(settings, ledger, pricer, cache, budgets) as app,
    ):
        yield app


@asynccontextmanager
async def response_cache(settings: Settings, ledger: Ledger) -> AsyncIterator[ResponseCache | None]:
    """
    The response cache of the configuration, in touch with the ledger; None: there is none.

    Raises:
        SettingsError: the client of the configured store is not installed.
        LedgerError: the ledger cannot be used.
    """
    if not settings.cache.enabled:
        await forget_usage(ledger, settings.ledger)
        yield None
        return
    clock = SystemClock()
    cache = ResponseCache(settings.cache, open_store(settings.cache, clock), clock)
    try:
        async with CacheUpkeep(cache, ledger, settings.ledger):
            yield cache
    finally:
        await cache.close()


@asynccontextmanager
async def _app_around(
    settings: Settings,
    ledger: Ledger,
    pricer: PriceBook,
    cache: ResponseCache | None,
    budgets: BudgetWatch,
) -> AsyncIterator[GatewayApp]:
    clock = SystemClock()
    identity = Identity(settings)
    outbound = Outbound(identity)
    upstream = UpstreamClient(settings.limits)
    meter = Meter(ledger, pricer, clock, knows=_refusal_of_unknown(settings, pricer))
    refusals = RefusalCounts()
    wrong_keys = WrongKeys(
        clock,
        per_minute_max=settings.limits.wrong_keys_per_minute_max,
        peers_max=settings.limits.wrong_key_peers_max,
    )
    doors = doors_of(settings.providers)
    bounding = bounding_of(settings, ledger, pricer, clock)
    relay = Relay(
        RelayParts(
            doors=doors,
            identity=identity,
            outbound=outbound,
            upstream=upstream,
            admission=Admission(meter, bounding),
            ledger=ledger,
            limits=settings.limits,
            clock=clock,
            refusals=refusals,
            wrong_keys=wrong_keys,
            passes_without_ledger=settings.budgeting.without_ledger == "allow",
            cache=_cache_desk(settings, cache, meter, outbound),
        )
    )
    router = Router(settings, clock, bounding)
    unified = Unified(
        UnifiedParts(
            doors={door.provider: door for door in doors.values()},
            caller_of=relay.caller,
            outbound=outbound,
            upstream=upstream,
            meter=meter,
            answers=CachingRouter(router, cache),
            models_of=pricer.models,
            limits=settings.limits,
            clock=clock,
            refusals=refusals,
        )
    )
    scrape = Scrape(
        ledger,
        settings.ledger,
        ProcessCounts(
            ledger.writer,
            refusals,
            router.circuits,
            cache,
            CatalogueSamples(pricer, clock),
        ),
        budgets,
        clock,
        scrape_interval_seconds=settings.scrape_interval_seconds,
    )
    web = WebMount(
        WebParts(settings, settings.ledger, pricer, clock, wrong_keys.refusal, refusals.add)
    )
    notifier = _notifier(settings, clock)
    try:
        if notifier is not None:
            notifier.start()
        yield GatewayApp(
            relay,
            unified,
            scrape,
            Health(ledger),
            ReaderDoor(identity, wrong_keys, clock),
            EarlyRefusals(refusals, partial(dialect_at, doors)),
            close_timeout_seconds=settings.limits.close_timeout_seconds,
            mount=Mount(WEB_PATHS, WEB_PATH_STARTS, web, web.end_streams),
        )
    finally:
        await web.close()
        scrape.close()
        await upstream.close()
        if notifier is not None:
            await asyncio.to_thread(notifier.close)


def _cache_desk(
    settings: Settings, cache: ResponseCache | None, meter: Meter, outbound: Outbound
) -> CacheDesk | None:
    if cache is None:
        return None
    patience_seconds = settings.limits.upstream_idle_timeout_seconds
    return CacheDesk(cache, meter, outbound, answer_timeout_seconds=patience_seconds)


def _notifier(settings: Settings, clock: Clock) -> Notifier | None:
    """What tells people about budgets; None if nobody is to be told."""
    if not settings.notifications.wanted:
        return None
    return Notifier(settings.ledger, channels_of(settings.notifications), clock)
