"""Sums of entries by quarter-hour, and by larger spans, for everybody who asks for sums."""

__all__ = ["ROLLUPS"]

_FACTS = (
    "calls", "status_success", "status_error", "status_timeout", "status_cancelled",
    "status_blocked", "status_unknown", "cached", "cache_missed", "unpriced", "tokens",
    "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h",
    "tokens_output", "tokens_reasoning", "tokens_audio_input", "tokens_audio_output",
    "tokens_image_input", "tokens_image_output", "cost_usd", "cost_pico", "saved_usd",
    "saved_pico", "duration_ns", "first_token_ns",
    *(f"duration_{place}" for place in range(23)),
    *(f"first_token_{place}" for place in range(17)),
)  # fmt: skip
_COLUMNS = ",\n".join(f"{fact} INTEGER NOT NULL CHECK ({fact} >= 0)" for fact in _FACTS)

ROLLUPS = (
    """
    CREATE TABLE rollup_labels (
        id INTEGER PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        team TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        model TEXT NOT NULL,
        provider TEXT NOT NULL,
        UNIQUE (tenant_id, team, agent_id, model, provider)
    ) STRICT
    """,
    f"""
    CREATE TABLE rollup (
        level_seconds INTEGER NOT NULL,
        start_seconds INTEGER NOT NULL,
        labels_id INTEGER NOT NULL REFERENCES rollup_labels (id),
        {_COLUMNS},
        PRIMARY KEY (level_seconds, start_seconds, labels_id)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE rollup_total (
        level_seconds INTEGER NOT NULL,
        start_seconds INTEGER NOT NULL,
        {_COLUMNS},
        PRIMARY KEY (level_seconds, start_seconds)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rollup_error (
        level_seconds INTEGER NOT NULL,
        start_seconds INTEGER NOT NULL,
        labels_id INTEGER NOT NULL REFERENCES rollup_labels (id),
        error_type TEXT NOT NULL,
        calls INTEGER NOT NULL CHECK (calls >= 0),
        PRIMARY KEY (level_seconds, start_seconds, labels_id, error_type)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rollup_state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        upto_seq INTEGER NOT NULL,
        upto_correction_seq INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO rollup_state (only, upto_seq, upto_correction_seq) VALUES (1, 0, 0)",
)
