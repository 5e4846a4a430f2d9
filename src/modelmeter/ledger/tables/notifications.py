"""What was told to whom about budgets, and what is still to be told."""

__all__ = ["NOTIFICATIONS"]

NOTIFICATIONS = (
    # Up to which event of a budget notifications were written.
    """
    CREATE TABLE notification_cursor (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        event_seq INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE notification (
        event_seq INTEGER NOT NULL,
        channel TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('due', 'delivered', 'given_up')),
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        first_due_at_ns INTEGER NOT NULL,
        due_at_ns INTEGER NOT NULL,
        leased_until_ns INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (event_seq, channel)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX notification_due ON notification (due_at_ns) WHERE state = 'due'",
)
