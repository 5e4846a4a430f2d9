"""Whether a call fits all its budgets at once: pure, from what each of them stands at."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from modelmeter.budgets.budget import AtLimit, Budget
from modelmeter.record import PICO_PER_USD

__all__ = ["Claim", "Verdict", "decide", "in_units"]


class Claim(msgspec.Struct, frozen=True):
    """What one call wants of one budget, and what that budget stands at; amounts in 1e-12."""

    budget: Budget
    needed: int
    limit: int
    settled: int
    reserved: int

    @property
    def fits(self) -> bool:
        """There is room for it."""
        return self.settled + self.reserved + self.needed <= self.limit

    @property
    def waits(self) -> bool:
        """There would be room for it, were nothing held for others."""
        return self.settled + self.needed <= self.limit


class Verdict(msgspec.Struct, frozen=True):
    """What happens to a call. Without ``stopped_by`` it is made."""

    stopped_by: int | None = None
    """The place of the claim that does not fit."""
    downgrade_to: str | None = None
    """The model to ask instead, if that budget has one."""
    shadows: tuple[int, ...] = ()
    """The places of claims that would stop it, were they not in the shadow."""


def decide(claims: Sequence[Claim], model: str) -> Verdict:
    """
    Judge a call that asks ``model``: all its budgets take it, or none does.

    A budget that blocks goes before one that downgrades. Past the limit of one that downgrades,
    only the models it downgrades to are asked. One that has no room goes before one whose room is
    only held for others, for it says when trying again is of use.
    """
    shadows = []
    waiting: int | None = None
    downgrade: tuple[int, str] | None = None
    for place, claim in enumerate(claims):
        budget = claim.budget
        if claim.fits or budget.at_limit is AtLimit.ALERT:
            continue
        cheaper = None
        if budget.at_limit is AtLimit.DOWNGRADE:
            if model in budget.downgrade.values():
                continue
            cheaper = budget.downgrade.get(model)
        if budget.shadow:
            shadows.append(place)
        elif cheaper is None and not claim.waits:
            return Verdict(stopped_by=place, shadows=tuple(shadows))
        elif cheaper is None:
            waiting = place if waiting is None else waiting
        elif downgrade is None:
            downgrade = place, cheaper
    if waiting is not None:
        return Verdict(stopped_by=waiting, shadows=tuple(shadows))
    if downgrade is not None:
        return Verdict(downgrade[0], downgrade[1], tuple(shadows))
    return Verdict(shadows=tuple(shadows))


def in_units(amount: int) -> Decimal:
    """An amount in 1e-12 of its unit, in the unit, exact."""
    whole, pico = divmod(amount, PICO_PER_USD)
    return Decimal(f"{whole}.{pico:012d}").normalize() if pico else Decimal(whole)
