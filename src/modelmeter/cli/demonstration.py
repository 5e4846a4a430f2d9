"""The parts of the demo, put together: simulator, gateway, traffic, and a live view."""

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.constrain import Constrain
from rich.live import Live

from modelmeter.cli.live_view import live_view
from modelmeter.cli.open_page import open_page
from modelmeter.cli.past import write_past
from modelmeter.cli.report import print_report
from modelmeter.gateway.server import bind, run_server
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.reader import GroupBy, report
from modelmeter.settings.model import Settings
from modelmeter.simulator.server import SimulatorServer
from modelmeter.simulator.settings import SimulatorSettings
from modelmeter.simulator.traffic import TrafficGenerator
from modelmeter.wiring import gateway_app, open_ledger, price_book, put_budgets

__all__ = ["Demonstration"]

_REFRESH_SECONDS = 1.0
_LAST_CALLS_SECONDS = 2.0
"""For calls under way when the demo ends; then their agents leave."""
_UTC = ZoneInfo("UTC")
_FAILURES = {"openai": 0.02, "anthropic": 0.02, "bedrock": 0.01, "genai": 0.03}
_TRAFFIC_RATE = 6.0
"""Times the agents' own pace, so that a minute shows something."""
_TRAFFIC_RATE_AFTER_PAST = 1.0
"""Beside a past, which is calmer; more would stand on its charts like a tower."""


_PAGE = "/?range=15m"
_PAGE_OF_PAST = "/?range=30d"
_REPEATED_SHARE = 0.25
_BUDGETS = (
    {"name": "company-day", "window": "day", "limit_usd": "40"},
    {"name": "company-month", "window": "month", "limit_usd": "400"},
    {"name": "meetmind-day", "team": "meetmind", "window": "day", "limit_usd": "24"},
    {"name": "globex-week", "tenant": "globex", "window": "week", "limit_usd": "40"},
    {"name": "triage-hour", "agent": "supportbot.triage", "window": "hour", "limit_calls": 20_000},
)
"""Of a size that a few minutes of the demo move."""
_STOPPING_BUDGETS = (
    {
        "name": "meetmind-minute",
        "team": "meetmind",
        "window": "rolling",
        "seconds": 60,
        "limit_usd": "0.80",
        "at_limit": "block",
    },
    {
        "name": "research-minute",
        "team": "research",
        "window": "rolling",
        "seconds": 60,
        "limit_usd": "0.14",
        "at_limit": "downgrade",
        "downgrade": {
            "claude-sonnet-4-6": "claude-haiku-4-5",
            "gemini-2.5-pro": "gemini-2.5-flash",
        },
    },
)
"""Small enough that a minute shows a warning, a refusal and a cheaper model."""


class Demonstration:
    """One run of the demo."""

    def __init__(self, ledger: Path, *, port: int, seed: int, opens_page: bool) -> None:
        self._ledger_path = ledger
        self._port = port
        self._seed = seed
        self._opens_page = opens_page
        self._console = Console(highlight=False)

    async def run(self, *, seconds: float | None, days: float | None) -> None:
        """
        Run until Ctrl-C or for so long, then report.

        Raises:
            SettingsError: the port is taken.
            LedgerError: the ledger cannot be used.
        """
        logging.basicConfig(level=logging.CRITICAL)
        listener = bind("127.0.0.1", self._port, advice="choose another port with --port")
        port = listener.getsockname()[1]
        profile = SimulatorSettings(seed=self._seed, speed=1.0, failure_rates=_FAILURES)
        stop = asyncio.Event()
        _stop_on_signals(stop)
        async with SimulatorServer(profile) as simulator:
            settings = self._settings(simulator.url, port)
            pricer = price_book(settings)
            await asyncio.to_thread(put_budgets, settings)
            ledger = await asyncio.to_thread(open_ledger, settings, pricer)
            try:
                if days is not None:
                    await write_past(
                        ledger,
                        pricer,
                        days=days,
                        seed=self._seed,
                        stop=stop,
                        console=self._console,
                    )
                began = datetime.now(UTC)
                if stop.is_set():
                    return
                async with gateway_app(settings, ledger, pricer) as app:
                    stop_server = asyncio.Event()
                    serving = asyncio.create_task(
                        run_server(
                            app,
                            listener,
                            settings.limits,
                            app.refusals,
                            stop=stop_server,
                            end_streams=app.end_streams,
                        )
                    )
                    await self._show(
                        f"http://127.0.0.1:{port}", stop, seconds, began, has_past=days is not None
                    )
                    stop_server.set()
                    await serving
            finally:
                await asyncio.to_thread(ledger.writer.close)
                listener.close()
        self._conclude(began)

    def _settings(self, simulator: str, port: int) -> Settings:
        return Settings.model_validate(
            {
                "listen": f"127.0.0.1:{port}",
                "ledger": self._ledger_path,
                "version": "demo",
                "cache": {"enabled": True},
                "budgets": [
                    *({**budget, "at_limit": "alert"} for budget in _BUDGETS),
                    *_STOPPING_BUDGETS,
                ],
                "limits": {"drain_after_disconnect_seconds": 2, "shutdown_drain_seconds": 3},
                "providers": {
                    "openai": {"base_url": f"{simulator}/openai/v1"},
                    "anthropic": {"base_url": f"{simulator}/anthropic"},
                    "genai": {"base_url": f"{simulator}/genai"},
                    "bedrock": {"base_url": f"{simulator}/bedrock", "api_key": "simulated"},
                },
            }
        )

    async def _show(
        self,
        url: str,
        stop: asyncio.Event,
        seconds: float | None,
        began: datetime,
        *,
        has_past: bool,
    ) -> None:
        """Let the agents call, and show what the ledger says about it."""
        page, rate = (
            (_PAGE_OF_PAST, _TRAFFIC_RATE_AFTER_PAST) if has_past else (_PAGE, _TRAFFIC_RATE)
        )
        self._console.print(
            f"Page     {url}{page}\nGateway  {url}\nMetrics  {url}/metrics\n"
            f"Ledger   {self._ledger_path}\n"
            "Ctrl-C ends the demo.",
            soft_wrap=True,
        )
        if self._opens_page and self._console.is_terminal:
            await asyncio.to_thread(open_page, url + page)
        traffic = TrafficGenerator(url, seed=self._seed, rate=rate, repeated_share=_REPEATED_SHARE)
        calling = asyncio.create_task(traffic.run(stop))
        connection = connect_reader(self._ledger_path)
        with (
            contextlib.closing(connection),
            Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live,
        ):

            def show() -> None:
                # No line is full, so that a terminal's own ^C has room behind each.
                view = Constrain(live_view(connection, began), self._console.width - 2)
                live.update(view, refresh=True)

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not stop.is_set():
                        show()
                        await _sleep_unless(stop, _REFRESH_SECONDS)
            stop.set()
            show()
            await _end_within(calling, _LAST_CALLS_SECONDS)
            show()
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            # There, the live view writes its last state only, and does not end the line.
            self._console.print()

    def _conclude(self, began: datetime) -> None:
        connection = connect_reader(self._ledger_path)
        with contextlib.closing(connection):
            ended = datetime.now(UTC)
            result = report(connection, began, ended, GroupBy.TEAM, _UTC)
        print_report(result, f"{began:%H:%M:%S} to {ended:%H:%M:%S UTC}", "team")
        program = _program()
        self._console.print(
            "Look further:\n"
            f"  {program} report --by model --ledger {self._ledger_path}\n"
            f"  {program} calls --ledger {self._ledger_path}",
            soft_wrap=True,
        )


def _program() -> str:
    """How the user can call this program again."""
    called = Path(sys.argv[0])
    if called.stem != "modelmeter":
        return "modelmeter"
    on_path = shutil.which("modelmeter")
    if on_path is not None and Path(on_path).samefile(called):
        return "modelmeter"
    return str(called)


async def _end_within(calling: asyncio.Task[None], seconds: float) -> None:
    await asyncio.wait({calling}, timeout=seconds)
    calling.cancel()
    await asyncio.wait({calling})
    if not calling.cancelled():
        calling.result()


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
