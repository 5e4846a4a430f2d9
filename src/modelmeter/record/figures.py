"""How amounts and counts are written for people; for programs see `usd_text`."""

from modelmeter.record.usd import PICO_PER_USD

__all__ = ["counted", "money_text", "unpriced_text"]

_PICO_PER_CENT = PICO_PER_USD // 100
_CENTS_FROM = 10 * _PICO_PER_CENT
_SMALL_DIGITS = 3
_PLACES = len(str(PICO_PER_USD)) - 1


def money_text(pico_usd: int) -> str:
    """
    ``$1,204.37``; amounts below ten cents rounded to three digits that say something:
    ``$0.00331``. The page's own ``money`` writes the same.
    """
    if 0 < pico_usd < _CENTS_FROM:
        step = 10 ** max(len(str(pico_usd)) - _SMALL_DIGITS, 0)
        pico_usd = (pico_usd + step // 2) // step * step
        if pico_usd < _CENTS_FROM:
            digits = f"{pico_usd:0{_PLACES}d}".rstrip("0")
            return f"$0.{digits:0<2}"
    cents = (pico_usd + _PICO_PER_CENT // 2) // _PICO_PER_CENT
    return f"${cents // 100:,}.{cents % 100:02d}"


def counted(number: int, noun: str) -> str:
    """``1 call``, ``2,000 calls``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def unpriced_text(calls: int) -> str:
    """That sums lack what ``calls`` have cost."""
    have, count = ("has", "counts") if calls == 1 else ("have", "count")
    return f"{counted(calls, 'call')} {have} no known price and {count} as $0.00 here"
