"""What a call costs: prices by date from a catalogue, exact to the pico-dollar."""

from modelmeter.pricing.book import PRICES_MEMO_MAX, PriceBook
from modelmeter.pricing.estimate import (
    LOST_OUTPUT_TOKENS,
    OUTPUT_TOKENS_MAX,
    estimate_tokens,
    lost_call_tokens,
)
from modelmeter.pricing.quote import Price

__all__ = [
    "LOST_OUTPUT_TOKENS",
    "OUTPUT_TOKENS_MAX",
    "PRICES_MEMO_MAX",
    "Price",
    "PriceBook",
    "estimate_tokens",
    "lost_call_tokens",
]
