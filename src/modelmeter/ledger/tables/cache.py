"""Why calls missed the response cache, what it holds, and orders to clear it."""

__all__ = ["CACHE"]

CACHE = (
    "ALTER TABLE entry ADD COLUMN cache_miss TEXT",
    """
    CREATE TABLE cache_usage (
        owner TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        answers INTEGER NOT NULL CHECK (answers >= 0),
        bytes INTEGER NOT NULL CHECK (bytes >= 0),
        PRIMARY KEY (owner, tenant_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE cache_clearing (
        seq INTEGER PRIMARY KEY,
        tenant_id TEXT,
        ordered_at_ns INTEGER NOT NULL
    ) STRICT
    """,
)
