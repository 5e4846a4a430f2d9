"""Open calls, entries, and the series behind the metrics."""

__all__ = ["CALLS"]

CALLS = (
    """
    CREATE TABLE open_call (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        intent TEXT NOT NULL CHECK (json_valid(intent))
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        request_id TEXT NOT NULL,
        attempt INTEGER NOT NULL CHECK (attempt >= 0),
        started_at_ns INTEGER NOT NULL,
        tenant_id TEXT NOT NULL,
        team TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        key_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        operation TEXT NOT NULL,
        model TEXT NOT NULL,
        streamed INTEGER NOT NULL CHECK (streamed IN (0, 1)),
        status TEXT NOT NULL,
        error_type TEXT,
        http_status INTEGER,
        provider_request_id TEXT,
        duration_ns INTEGER NOT NULL CHECK (duration_ns >= 0),
        time_to_first_token_ns INTEGER CHECK (time_to_first_token_ns >= 0),
        model_answered TEXT,
        tokens_input INTEGER NOT NULL CHECK (tokens_input >= 0),
        tokens_cache_read INTEGER NOT NULL CHECK (tokens_cache_read >= 0),
        tokens_cache_write_5m INTEGER NOT NULL CHECK (tokens_cache_write_5m >= 0),
        tokens_cache_write_1h INTEGER NOT NULL CHECK (tokens_cache_write_1h >= 0),
        tokens_output INTEGER NOT NULL CHECK (tokens_output >= 0),
        tokens_reasoning INTEGER NOT NULL CHECK (tokens_reasoning >= 0),
        tokens_audio_input INTEGER NOT NULL CHECK (tokens_audio_input >= 0),
        tokens_audio_output INTEGER NOT NULL CHECK (tokens_audio_output >= 0),
        tokens_image_input INTEGER NOT NULL CHECK (tokens_image_input >= 0),
        tokens_image_output INTEGER NOT NULL CHECK (tokens_image_output >= 0),
        cost_pico_usd INTEGER NOT NULL CHECK (cost_pico_usd >= 0),
        cost_state TEXT NOT NULL CHECK (cost_state IN ('priced', 'estimated', 'unpriced')),
        priced_model TEXT,
        price_source TEXT,
        cached INTEGER NOT NULL CHECK (cached IN (0, 1)),
        cost_saved_pico_usd INTEGER NOT NULL CHECK (cost_saved_pico_usd >= 0),
        note TEXT
    ) STRICT
    """,
    "CREATE INDEX entry_started_at ON entry (started_at_ns)",
    """
    CREATE TABLE series (
        kind TEXT NOT NULL,
        labels TEXT NOT NULL,
        whole INTEGER NOT NULL CHECK (whole >= 0),
        pico INTEGER NOT NULL CHECK (pico BETWEEN 0 AND 999999999999),
        born_at_ns INTEGER NOT NULL,
        PRIMARY KEY (kind, labels)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE label_value (
        label TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (label, value)
    ) STRICT, WITHOUT ROWID
    """,
)
