"""What the same tokens would have cost on other models."""

import sqlite3
from decimal import Decimal

import msgspec

from modelmeter.ledger.facts import TOKEN_FACTS
from modelmeter.ledger.usage import Dimension, Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.pricing import PriceBook
from modelmeter.record import PICO_PER_USD, TokenCounts, pico_usd

__all__ = ["Alternative", "ModelUse", "cheaper_models", "model_uses"]

ALTERNATIVES_MAX = 3
_SAVED_MIN_SHARE = Decimal("0.1")
"""A smaller saving is not worth another model."""

_KINDS = tuple(TOKEN_FACTS)
_NAMES = ("calls", "unpriced", "cost_usd", "cost_pico", *TOKEN_FACTS.values())
_MILLION = Decimal(10**6)


class ModelUse(msgspec.Struct, frozen=True):
    """What was used of one model at one provider."""

    provider: str
    model: str
    calls: int
    unpriced_calls: int
    cost: int
    """Pico-dollars."""
    tokens: TokenCounts


class Alternative(msgspec.Struct, frozen=True):
    """Another model for the same tokens."""

    provider: str
    model: str
    cost: int
    """Pico-dollars, at the prices of the moment asked about."""


def model_uses(connection: sqlite3.Connection, span: Span, wanted: UsageFilter) -> list[ModelUse]:
    """
    Each model used, by provider, the dearest first.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    found = []
    for provider, _, _ in facts(connection, span, wanted, ("calls",), by=Dimension.PROVIDER):
        at_one = msgspec.structs.replace(wanted, provider=(provider,))
        for model, _, sums in facts(connection, span, at_one, _NAMES, by=Dimension.MODEL):
            calls, unpriced, usd, pico, *tokens = sums
            cost = usd * PICO_PER_USD + pico
            counts = TokenCounts(**dict(zip(_KINDS, tokens, strict=True)))
            found.append(ModelUse(provider, model, calls, unpriced, cost, counts))
    found.sort(key=lambda use: (-use.cost, use.provider, use.model))
    return found


def cheaper_models(
    use: ModelUse, candidates: list[ModelUse], prices: PriceBook, at_ns: int
) -> list[Alternative]:
    """
    Those of the models ``candidates`` name that would have cost clearly less, cheapest first.

    A model that answers no prompts, such as one for embeddings, takes no other's place.
    """
    if not use.cost or not use.tokens.output:
        return []
    dearest = use.cost - int(use.cost * _SAVED_MIN_SHARE)
    found = []
    for one in candidates:
        if (one.provider, one.model) == (use.provider, use.model) or not one.tokens.output:
            continue
        cost = _cost_on(one, use, prices, at_ns)
        if cost is not None and cost <= dearest:
            found.append(Alternative(one.provider, one.model, cost))
    found.sort(key=lambda one: (one.cost, one.model))
    return found[:ALTERNATIVES_MAX]


def _cost_on(other: ModelUse, use: ModelUse, prices: PriceBook, at_ns: int) -> int | None:
    """None if the other model's price is not known for all kinds of tokens that were used."""
    # The price of a long input holds where calls are long on average.
    average = TokenCounts(**{kind: -(-getattr(use.tokens, kind) // use.calls) for kind in _KINDS})
    lines = prices.quote(other.provider, other.model, at_ns).lines(average)
    rates = {line.kind: line.usd_per_million for line in lines}
    usd = Decimal(0)
    for kind in _KINDS:
        tokens = getattr(use.tokens, kind)
        if tokens and kind not in rates:
            return None
        usd += tokens * rates.get(kind, Decimal(0)) / _MILLION
    return pico_usd(usd)
