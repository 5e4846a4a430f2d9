"""Later knowledge of what entries cost; the entries themselves are never changed."""

__all__ = ["CORRECTIONS"]

CORRECTIONS = (
    """
    CREATE TABLE correction (
        seq INTEGER PRIMARY KEY,
        entry_seq INTEGER NOT NULL REFERENCES entry (seq),
        started_at_ns INTEGER NOT NULL,
        corrected_at_ns INTEGER NOT NULL,
        cost_pico_usd INTEGER NOT NULL CHECK (cost_pico_usd >= 0),
        cost_saved_pico_usd INTEGER NOT NULL CHECK (cost_saved_pico_usd >= 0),
        cost_state TEXT NOT NULL CHECK (cost_state IN ('priced', 'estimated', 'unpriced')),
        priced_model TEXT,
        price_source TEXT,
        rate_card INTEGER,
        note TEXT,
        cost_delta_pico_usd INTEGER NOT NULL,
        cost_saved_delta_pico_usd INTEGER NOT NULL,
        unpriced_delta INTEGER NOT NULL CHECK (unpriced_delta IN (-1, 0, 1))
    ) STRICT
    """,
    "CREATE INDEX correction_of_entry ON correction (entry_seq, seq)",
    "CREATE INDEX correction_started_at ON correction (started_at_ns)",
)
