"""Up to which birth series have been shown with their values: who saw them must not see 0 again."""

__all__ = ["SERIES_SHOWN"]

SERIES_SHOWN = (
    """
    CREATE TABLE series_shown (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        born_until_ns INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO series_shown SELECT 1, coalesce(max(born_at_ns), 0) FROM series",
)
