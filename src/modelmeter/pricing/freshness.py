"""How new the newest price is that this installation knows."""

from datetime import date

__all__ = ["newest_price_on"]


def newest_price_on(today: date) -> date:
    """
    The latest day up to ``today`` from which some price holds, in the catalogue or our own.

    A catalogue tells no date of its own; but prices change every few weeks, so a newest price of
    long ago is a catalogue of long ago.
    """
    from genai_prices.data import providers
    from genai_prices.types import StartDateConstraint

    from modelmeter.pricing.overlay import Overlay

    days = [entry.since for entry in Overlay().prices if entry.since is not None]
    for provider in providers:
        for model in provider.models:
            conditional = model.prices if isinstance(model.prices, list) else ()
            days += [
                price.constraint.start_date
                for price in conditional
                if isinstance(price.constraint, StartDateConstraint)
            ]
    return max((day for day in days if day <= today), default=date.min)
