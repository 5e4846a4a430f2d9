"""How a stream may be cut into chunks."""

from itertools import pairwise

from hypothesis import strategies as st

__all__ = ["CUTS", "pieces"]

CUTS = st.lists(st.integers(0, 400), max_size=10)
"""Positions at which a stream is cut; those behind its end do not count."""


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``stream``; twice at one position gives an empty chunk."""
    edges = [0, *sorted(cut for cut in cuts if cut <= len(stream)), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]
