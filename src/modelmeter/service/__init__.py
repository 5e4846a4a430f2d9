"""Calls from Python: one service over all providers, and meters for programs with their own."""
