"""Budgets, what is held and settled in their windows, and what happened to them."""

__all__ = ["BUDGETS"]

BUDGETS = (
    # AUTOINCREMENT: the id of a removed budget never comes back with another one's events.
    """
    CREATE TABLE budget (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL CHECK (source IN ('settings', 'command')),
        definition TEXT NOT NULL CHECK (json_valid(definition)),
        counted_from_ns INTEGER NOT NULL,
        set_at_ns INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE budget_revision (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        revision INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO budget_revision (only_row, revision) VALUES (1, 0)",
    # Amounts are in USD, tokens or calls: a whole part, and one in 1e-12.
    """
    CREATE TABLE budget_window (
        budget_id INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,
        settled_whole INTEGER NOT NULL CHECK (settled_whole >= 0),
        settled_pico INTEGER NOT NULL CHECK (settled_pico BETWEEN 0 AND 999999999999),
        reserved_whole INTEGER NOT NULL CHECK (reserved_whole >= 0),
        reserved_pico INTEGER NOT NULL CHECK (reserved_pico BETWEEN 0 AND 999999999999),
        PRIMARY KEY (budget_id, start_ns)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE budget_hold (
        call_id TEXT NOT NULL,
        budget_id INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,
        owner TEXT NOT NULL,
        whole INTEGER NOT NULL CHECK (whole >= 0),
        pico INTEGER NOT NULL CHECK (pico BETWEEN 0 AND 999999999999),
        PRIMARY KEY (call_id, budget_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE budget_event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        budget_id INTEGER NOT NULL,
        budget TEXT NOT NULL,
        threshold INTEGER NOT NULL CHECK (threshold >= 0),
        window_start_ns INTEGER NOT NULL,
        window_end_ns INTEGER,
        at_ns INTEGER NOT NULL,
        unit TEXT NOT NULL,
        limit_amount TEXT NOT NULL,
        settled_amount TEXT NOT NULL,
        reserved_amount TEXT NOT NULL,
        UNIQUE (budget_id, window_start_ns, threshold)
    ) STRICT
    """,
    """
    CREATE TABLE budget_mark (
        seq INTEGER PRIMARY KEY,
        budget_id INTEGER NOT NULL,
        mark TEXT NOT NULL CHECK (mark IN ('blocked', 'downgraded', 'overrun', 'shadow')),
        call_id TEXT NOT NULL,
        at_ns INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX budget_mark_of ON budget_mark (budget_id, mark, at_ns)",
    "ALTER TABLE entry ADD COLUMN model_requested TEXT",
    "ALTER TABLE entry ADD COLUMN overrun INTEGER NOT NULL DEFAULT 0 CHECK (overrun IN (0, 1))",
)
