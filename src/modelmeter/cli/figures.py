"""How numbers and names are written for people."""

from modelmeter.record import money_text

__all__ = ["count_text", "inert", "milliseconds_text", "money_text"]

_UNITS = ((10**9, "G"), (10**6, "M"), (10**4, "k"))


def count_text(count: int) -> str:
    """``9,812``, ``12.4 k``, ``1.24 M``."""
    for size, unit in _UNITS:
        if count >= size:
            scaled = count / (1000 if unit == "k" else size)
            return f"{scaled:,.3g} {unit}" if scaled < 1000 else f"{scaled:,.0f} {unit}"
    return f"{count:,}"


def milliseconds_text(nanoseconds: int | None) -> str:
    """``1,234 ms``; a dash if it is not known."""
    return "–" if nanoseconds is None else f"{nanoseconds / 1e6:,.0f} ms"


def inert(text: str) -> str:
    """``text`` with what a terminal would act on made visible instead."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
