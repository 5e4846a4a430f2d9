"""The composition root: puts a running gateway together from settings."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from modelmeter.gateway.app import GatewayApp
from modelmeter.gateway.door import doors_of
from modelmeter.gateway.health import Health
from modelmeter.gateway.identity import Identity
from modelmeter.gateway.outbound import Outbound
from modelmeter.gateway.refusals import RefusalCounts
from modelmeter.gateway.relay import Relay, RelayParts
from modelmeter.gateway.scrape import Scrape
from modelmeter.gateway.unified import Unified, UnifiedParts
from modelmeter.gateway.upstream_client import UpstreamClient
from modelmeter.gateway.wrong_keys import WrongKeys
from modelmeter.ledger import Ledger, LedgerBounds, LedgerWriter
from modelmeter.meter import Meter, Pricer, lost_call
from modelmeter.pricing import PriceBook
from modelmeter.record import Call, Intent, SystemClock
from modelmeter.service.router import Router
from modelmeter.settings.model import Settings

__all__ = ["gateway_app", "open_ledger", "price_book"]

logger = logging.getLogger(__name__)


def price_book(settings: Settings) -> PriceBook:
    """The prices for the configured providers."""
    providers = settings.providers
    return PriceBook(
        {name: provider.kind for name, provider in providers.items()},
        {name: provider.region for name, provider in providers.items() if provider.region},
    )


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
    )
    return Ledger(writer, wait_seconds=limits.ledger_wait_seconds)


@asynccontextmanager
async def gateway_app(
    settings: Settings, ledger: Ledger, pricer: Pricer
) -> AsyncIterator[GatewayApp]:
    """The gateway over an open ledger, to be run inside this context."""
    clock = SystemClock()
    identity = Identity(settings)
    upstream = UpstreamClient(settings.limits)
    refusals = RefusalCounts()
    doors = doors_of(settings.providers)
    outbound = Outbound(identity)
    meter = Meter(ledger, pricer, clock)
    relay = Relay(
        RelayParts(
            doors=doors,
            identity=identity,
            outbound=outbound,
            upstream=upstream,
            meter=meter,
            ledger=ledger,
            limits=settings.limits,
            clock=clock,
            refusals=refusals,
            wrong_keys=WrongKeys(
                per_minute_max=settings.limits.wrong_keys_per_minute_max,
                peers_max=settings.limits.wrong_key_peers_max,
            ),
        )
    )
    router = Router(settings, clock)
    unified = Unified(
        UnifiedParts(
            doors={door.provider: door for door in doors.values()},
            caller_of=relay.caller,
            outbound=outbound,
            upstream=upstream,
            meter=meter,
            router=router,
            limits=settings.limits,
            clock=clock,
            refusals=refusals,
        )
    )
    scrape = Scrape(
        settings.ledger,
        ledger,
        refusals,
        router.circuits,
        clock,
        scrape_interval_seconds=settings.scrape_interval_seconds,
    )
    try:
        yield GatewayApp(
            relay,
            unified,
            scrape,
            Health(ledger),
            close_timeout_seconds=settings.limits.close_timeout_seconds,
        )
    finally:
        scrape.close()
        await upstream.close()
