"""Runs the gateway of a configuration in this process, or in several that share its socket."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

import uvloop
from rich.console import Console

from modelmeter.gateway.app import GatewayApp
from modelmeter.gateway.refusals import EarlyRefusals
from modelmeter.gateway.server import bind, run_server
from modelmeter.gateway.workers import run_workers
from modelmeter.settings.model import Settings
from modelmeter.wiring import gateway_app, open_ledger, price_book, put_budgets

__all__ = ["serve_until_stopped"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OTHER_ADDRESS = "choose another address with `listen` in the configuration or --listen"
_OTHER_HEALTH_ADDRESS = "choose another address with `health_listen` in the configuration"
_COLLECT_AFTER_OBJECTS = 10_000
"""Calls leave hardly any cycles behind, so the collector need not run at every few of them."""


def serve_until_stopped(settings: Settings, *, log_level: str) -> None:
    """
    Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: the address is taken.
        LedgerError: the ledger cannot be used.
    """
    logging.basicConfig(format=_LOG_FORMAT, level=log_level.upper())
    listener = bind(*settings.address, advice=_OTHER_ADDRESS)
    health = None
    if settings.health_address is not None:
        health = bind(*settings.health_address, advice=_OTHER_HEALTH_ADDRESS)
    put_budgets(settings)
    if settings.workers == 1:
        _serve(settings, listener, health)
    else:
        run_workers(settings.workers, lambda: _serve(settings, listener, health))
    listener.close()
    if health is not None:
        health.close()


def _serve(settings: Settings, listener: socket, health: socket | None) -> None:
    # What is loaded by now lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)
    uvloop.run(_run(settings, listener, health))


async def _run(settings: Settings, listener: socket, health: socket | None) -> None:
    pricer = price_book(settings)
    ledger = await asyncio.to_thread(open_ledger, settings, pricer)

    def say_ready() -> None:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        Console(stderr=True, highlight=False).print(
            f"modelmeter listens on http://{shown}:{port}, ledger {settings.ledger}",
            markup=False,
            soft_wrap=True,
        )

    try:
        async with (
            gateway_app(settings, ledger, pricer) as app,
            _serving_health(app, health, settings),
        ):
            await run_server(
                app,
                listener,
                settings.limits,
                app.refusals,
                on_ready=say_ready,
                end_streams=app.end_streams,
            )
    finally:
        await asyncio.to_thread(ledger.writer.close)


@asynccontextmanager
async def _serving_health(
    app: GatewayApp, listener: socket | None, settings: Settings
) -> AsyncIterator[None]:
    """Health on its own address, if it has one, for as long as the block lasts."""
    if listener is None:
        yield
        return
    stop = asyncio.Event()
    refusals = EarlyRefusals(app.refusals.counts, lambda _: None)
    serving = asyncio.create_task(
        run_server(app.health, listener, settings.limits, refusals, stop=stop)
    )
    try:
        yield
    finally:
        stop.set()
        await serving
