"""Throttles: how many calls and tokens a minute, and how many calls at once."""
