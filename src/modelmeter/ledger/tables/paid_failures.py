"""A way to the calls that failed, or were left, and cost money all the same: there are few."""

__all__ = ["PAID_FAILURES"]

PAID_FAILURES = (
    """
    CREATE INDEX entry_paid_failure ON entry (started_at_ns)
    WHERE status <> 'success' AND cost_pico_usd > 0
    """,
)
