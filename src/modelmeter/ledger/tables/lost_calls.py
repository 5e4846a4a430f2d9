"""Calls whose outcome a crash swallowed are errors too: those of before are counted as such."""

__all__ = ["LOST_CALLS"]

LOST_CALLS = (
    # Both kinds have labels of one form, whose last is the status of one, the type of the other.
    """
    INSERT INTO series (kind, labels, whole, pico, born_at_ns)
    SELECT 'errors', labels, whole, pico, born_at_ns FROM series
    WHERE kind = 'requests' AND labels ->> 3 = 'unknown'
    ON CONFLICT (kind, labels) DO UPDATE SET whole = whole + excluded.whole
    """,
)
