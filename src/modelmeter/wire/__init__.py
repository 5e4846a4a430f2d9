"""Codecs without I/O: bytes in at any split, facts out, memory capped."""
