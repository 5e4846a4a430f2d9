"""What the sessions of the page's viewers are signed with."""

__all__ = ["SESSIONS"]

# Whoever can read the secret can read the ledger, which is all that a session lets anybody do.
SESSIONS = (
    """
    CREATE TABLE session_secret (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        secret BLOB NOT NULL CHECK (length(secret) = 32)
    ) STRICT
    """,
    "INSERT INTO session_secret (only_row, secret) VALUES (1, randomblob(32))",
)
