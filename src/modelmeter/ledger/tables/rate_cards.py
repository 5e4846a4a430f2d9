"""The rates that each entry was priced with, and what else its price rests on."""

__all__ = ["RATE_CARDS"]

RATE_CARDS = (
    """
    CREATE TABLE rate_card (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL CHECK (json_valid(text))
    ) STRICT
    """,
    "ALTER TABLE entry ADD COLUMN rate_card INTEGER",
    """
    ALTER TABLE entry ADD COLUMN tool_calls TEXT
        CHECK (tool_calls IS NULL OR json_valid(tool_calls))
    """,
    """
    ALTER TABLE entry ADD COLUMN usage_estimated INTEGER NOT NULL DEFAULT 0
        CHECK (usage_estimated IN (0, 1))
    """,
)
