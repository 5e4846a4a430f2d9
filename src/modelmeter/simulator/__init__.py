"""Providers that answer like the real ones, and traffic like real traffic."""
