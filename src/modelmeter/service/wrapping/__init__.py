"""Meters the clients that a program has already: their requests are seen on their way."""
