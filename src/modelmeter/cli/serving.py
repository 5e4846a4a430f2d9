"""Runs the gateway of a configuration in this process, or in several that share its socket."""

import asyncio
import gc
import logging
from socket import socket

import uvloop
from rich.console import Console

from modelmeter.gateway.server import bind, run_server
from modelmeter.gateway.workers import run_workers
from modelmeter.settings.model import Settings
from modelmeter.wiring import gateway_app, open_ledger, price_book

__all__ = ["serve_until_stopped"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
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
    listener = bind(settings.host, settings.port)
    if settings.workers == 1:
        _serve(settings, listener)
    else:
        run_workers(settings.workers, lambda: _serve(settings, listener))
    listener.close()


def _serve(settings: Settings, listener: socket) -> None:
    # What is loaded by now lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)
    uvloop.run(_run(settings, listener))


async def _run(settings: Settings, listener: socket) -> None:
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
        async with gateway_app(settings, ledger, pricer) as app:
            await run_server(app, listener, settings.limits, on_ready=say_ready)
    finally:
        await asyncio.to_thread(ledger.writer.close)
