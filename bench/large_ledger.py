"""A ledger of ten million calls over ninety days, made in a few minutes."""

import sqlite3
import time
from pathlib import Path

from rich.progress import Progress

from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.rollup import roll_up

__all__ = ["AGENTS", "CALLS", "DAYS", "MODELS", "make_large_ledger"]

CALLS = 10_000_000
DAYS = 90
AGENTS = 40
"""In eight teams of two tenants; each calls two of the models."""
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-haiku-4-5"),
    ("bedrock", "us.amazon.nova-pro-v1:0"),
    ("bedrock", "amazon.nova-lite-v1:0"),
    ("bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
    ("genai", "gemini-2.5-pro"),
    ("genai", "gemini-2.5-flash"),
    ("genai", "gemini-2.5-flash-lite"),
)

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_INSERTED_AT_ONCE = 250_000
_ROLLED_UP_AT_ONCE = 100_000

# Everything of a call follows from its number, by a multiplicative hash (Knuth's constant).
_INSERT = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
    provider, operation, model, streamed, status, error_type, http_status, provider_request_id,
    duration_ns, time_to_first_token_ns, model_answered, tokens_input, tokens_cache_read,
    tokens_cache_write_5m, tokens_cache_write_1h, tokens_output, tokens_reasoning,
    tokens_audio_input, tokens_audio_output, tokens_image_input, tokens_image_output,
    cost_pico_usd, cost_state, priced_model, price_source, cached, cost_saved_pico_usd, cache_miss)
WITH RECURSIVE
    number (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :last),
    drawn (n, at_ns, h, agent) AS (
        SELECT n, :start_ns + n * :gap_ns, n * 2654435761 % 4294967296,
            n * 2654435761 % 4294967296 % 97 * (n * 40503 % 65536 % 89) % :agents
        FROM number
    ),
    made AS (
        SELECT n, at_ns, h, agent, h % 1000 AS chance, h / 1000 % 1000 AS spread,
            models.value ->> 0 AS provider, models.value ->> 1 AS model
        FROM drawn JOIN json_each(:models) AS models
            ON models.key = (agent * 5 + h % 2 * 7) % json_array_length(:models)
    )
SELECT format('%08x-%04x-7%03x-8%03x-%012x', at_ns / 65536000000, at_ns / 1000000 % 65536,
        h % 4096, h / 4096 % 4096, n),
    format('%08x', n), 0, at_ns, format('tenant-%d', agent % 2), format('team-%d', agent % 8),
    format('team-%d.agent-%d', agent % 8, agent), '', provider, 'chat', model, h % 3 = 0,
    CASE WHEN chance < 12 THEN 'error' WHEN chance < 16 THEN 'timeout'
        WHEN chance < 22 THEN 'cancelled' ELSE 'success' END,
    CASE WHEN chance < 8 THEN 'rate_limit' WHEN chance < 12 THEN 'server_error'
        WHEN chance < 16 THEN 'timeout' WHEN chance < 22 THEN 'cancelled' END,
    CASE WHEN chance < 8 THEN 429 WHEN chance < 12 THEN 500 WHEN chance < 16 THEN NULL
        ELSE 200 END,
    format('req_%08x', h),
    (200 + spread * spread / 60) * 1000000,
    iif(h % 3 = 0, (80 + spread) * 1000000, NULL), model,
    500 + spread * 3, iif(h % 5 = 0, 1024, 0), 0, 0, 50 + spread, 0, 0, 0, 0, 0,
    iif(chance BETWEEN 100 AND 149, 0, (500 + spread * 3) * 2500000 + (50 + spread) * 10000000),
    'priced', model, 'bench', chance BETWEEN 100 AND 149,
    iif(chance BETWEEN 100 AND 149, (500 + spread * 3) * 2500000, 0),
    iif(chance BETWEEN 150 AND 400, 'first_seen', NULL)
FROM made
"""


def make_large_ledger(path: Path, *, calls: int = CALLS, days: int = DAYS) -> None:
    """
    Write so many calls, evenly over the days before now, and roll them up.

    Raises:
        LedgerError: the file cannot be used.
    """
    models = "[" + ", ".join(f'["{provider}", "{model}"]' for provider, model in MODELS) + "]"
    span_ns = days * _DAY_NS
    parameters = {
        "start_ns": time.time_ns() - span_ns,
        "gap_ns": span_ns // calls,
        "agents": AGENTS,
        "models": models,
    }
    connection = connect_writer(path)
    # Nothing is lost by a crash: the file is made anew then.
    connection.execute("PRAGMA synchronous = OFF")
    with Progress(transient=True) as progress:
        inserting = progress.add_task("calls", total=calls)
        rolling = progress.add_task("rolled up", total=calls)
        for first in range(0, calls, _INSERTED_AT_ONCE):
            last = min(first + _INSERTED_AT_ONCE, calls)
            connection.execute(_INSERT, {**parameters, "first": first, "last": last})
            progress.update(inserting, completed=last)
            while added := roll_up(connection, entries_max=_ROLLED_UP_AT_ONCE):
                progress.advance(rolling, added)
    _close(connection)


def _close(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
