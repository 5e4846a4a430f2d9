"""The most a call can use: what budgets hold for it until its outcome is known."""

import msgspec

from modelmeter.record.usd import PicoUsd

__all__ = ["RESERVATION", "CallBound"]

RESERVATION = "reservation"
"""The source of a price that is all the money that was held for the call."""


class CallBound(msgspec.Struct, frozen=True):
    """Upper bounds of one call, known before its first byte goes upstream."""

    cost: PicoUsd | None
    """None: no price is known, so nothing bounds it."""
    tokens: int
    """Of all kinds together."""
    output_tokens: int
    """
    The part of ``tokens`` that the model may write; a stream that writes more is cut, if anything
    can stop its call.
    """
