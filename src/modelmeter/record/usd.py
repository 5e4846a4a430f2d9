"""Money: whole pico-dollars (1e-12 USD), which hold every published price times whole tokens."""

from decimal import Decimal, localcontext
from typing import NewType

__all__ = ["PICO_PER_USD", "PicoUsd", "pico_usd", "usd_text"]

PicoUsd = NewType("PicoUsd", int)

PICO_PER_USD = 10**12
_DIGITS_MAX = 60


def pico_usd(amount_usd: Decimal) -> PicoUsd:
    """
    Turn an exact amount in USD into pico-dollars, rounding half to even below one.

    Raises:
        ValueError: ``amount_usd`` is not a finite number.
    """
    if not amount_usd.is_finite():
        raise ValueError(f"not an amount of money: {amount_usd}")
    with localcontext() as context:
        context.prec = _DIGITS_MAX
        return PicoUsd(int((amount_usd * PICO_PER_USD).to_integral_value()))


def usd_text(amount: int) -> str:
    """Write pico-dollars as an exact decimal string in USD: ``3310000000`` is ``"0.00331"``."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), PICO_PER_USD)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:012d}".rstrip("0")
