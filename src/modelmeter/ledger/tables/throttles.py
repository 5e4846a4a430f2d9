"""What was let through by throttles in the last seconds, and what runs under them."""

__all__ = ["THROTTLES"]

THROTTLES = (
    """
    CREATE TABLE throttle_slot (
        throttle TEXT NOT NULL,
        second INTEGER NOT NULL,
        calls INTEGER NOT NULL CHECK (calls >= 0),
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        PRIMARY KEY (throttle, second)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE throttle_hold (
        call_id TEXT NOT NULL,
        throttle TEXT NOT NULL,
        second INTEGER NOT NULL,
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        PRIMARY KEY (call_id, throttle)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX throttle_hold_of ON throttle_hold (throttle)",
)
