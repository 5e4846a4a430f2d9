"""The web side over a ledger file with known entries, asked without a socket."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.rollup import roll_up
from modelmeter.pricing import PriceBook
from modelmeter.settings.model import Settings
from modelmeter.web.mount import WebMount, WebParts

NS = 10**9
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
NOW_SECONDS = int(NOW.timestamp())

INSERT = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
  provider, operation, model, streamed, status, error_type, http_status, duration_ns,
  time_to_first_token_ns, tokens_input, tokens_cache_read, tokens_cache_write_5m,
  tokens_cache_write_1h, tokens_output, tokens_reasoning, tokens_audio_input, tokens_audio_output,
  tokens_image_input, tokens_image_output, cost_pico_usd, cost_state, price_source, cached,
  cost_saved_pico_usd, cache_miss,
  rate_card)
VALUES (:id, :request_id, :attempt, :at_ns, :tenant, :team, :agent, '', :provider, 'chat', :model,
  0, :status, :error_type, 200, :duration_ns, NULL, :input, 0, 0, 0, :output, 0, 0, 0, 0, 0, :cost,
  :state, 'test', :cached, :saved, :missed, :card)
"""


class StandingClock:
    """It is always `NOW`."""

    def time_ns(self) -> int:
        return NOW_SECONDS * NS

    def monotonic_ns(self) -> int:
        return 0


def entry(number: int, **fields: object) -> dict[str, object]:
    """One entry, an hour ago unless said otherwise in ``seconds_ago``."""
    seconds_ago = int(str(fields.pop("seconds_ago", 3600)))
    name = f"call-{number}"
    return {
        "id": name,
        "request_id": name,
        "attempt": 0,
        "at_ns": (NOW_SECONDS - seconds_ago) * NS,
        "tenant": "acme",
        "team": "meetmind",
        "agent": "meetmind.notes",
        "provider": "openai",
        "model": "gpt-4o",
        "status": "success",
        "error_type": None,
        "duration_ns": 700_000_000,
        "input": 1000,
        "output": 100,
        "cost": 3_500_000_000,
        "state": "priced",
        "cached": 0,
        "saved": 0,
        "missed": None,
        "card": None,
        **fields,
    }


def make_ledger(path: Path, entries: Sequence[dict[str, object]], *, rolled_up: int = 0) -> None:
    """A ledger with these entries, the first of them rolled up."""
    connection = connect_writer(path)
    try:
        connection.executemany(INSERT, entries)
        if rolled_up:
            roll_up(connection, entries_max=rolled_up)
    finally:
        connection.close()


def wrong_key(_peer: str, error: RefusedRequestError) -> RefusedRequestError:
    """Nobody counts wrong keys here."""
    return error


@asynccontextmanager
async def web_mount(
    ledger: Path, configuration: dict[str, object] | None = None
) -> AsyncIterator[WebMount]:
    """The web side over a ledger."""
    settings = Settings.model_validate({"ledger": ledger, **(configuration or {})})
    clock = StandingClock()
    mount = WebMount(WebParts(settings, ledger, PriceBook(), clock, wrong_key, lambda _: None))
    try:
        yield mount
    finally:
        await mount.close()


@asynccontextmanager
async def web_client(
    ledger: Path, configuration: dict[str, object] | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the web side over a ledger."""
    async with web_mount(ledger, configuration) as mount:
        transport = httpx2.ASGITransport(mount)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


def open_call(path: Path, call_id: str, *, provider: str, tenant: str) -> None:
    """Put a call under way into the ledger."""
    connection = sqlite3.connect(path)
    intent = f'{{"model": "gpt-4o", "caller": {{"team": "meetmind", "tenant_id": "{tenant}"}}}}'
    with connection:
        connection.execute(
            "INSERT INTO open_call VALUES (?, 'nobody', 'meetmind.notes', ?, ?)",
            (call_id, provider, intent),
        )
    connection.close()
