"""The JSON API over the ledger, and the page made of it."""
