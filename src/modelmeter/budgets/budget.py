"""A budget: whose calls it counts, in which window, up to which limit, and what happens there."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.record import PICO_PER_USD, Call, CallBound, Intent, Status, pico_usd
from modelmeter.settings.budgets import BudgetSettings
from modelmeter.settings.scope import SCOPE_NAMES

__all__ = [
    "AtLimit",
    "Budget",
    "Scope",
    "Unit",
    "Who",
    "amount_of_bound",
    "amount_of_call",
    "budget_of",
    "who_calls",
]

Who = tuple[str, str, str, str, str, str]
"""Tenant, team, agent, key, provider and model of a call: what scopes look at."""

_NS = 1_000_000_000


class Unit(StrEnum):
    """What a limit counts. All amounts are whole numbers of 1e-12 of it."""

    USD = "usd"
    TOKENS = "tokens"
    CALLS = "calls"
    """Refused calls and answers from the cache are none."""


class AtLimit(StrEnum):
    """What happens to a call that does not fit."""

    ALERT = "alert"
    BLOCK = "block"
    DOWNGRADE = "downgrade"


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose calls count; None: anybody's. A ``*`` at an agent's or model's end: any rest."""

    tenant: str | None = None
    team: str | None = None
    agent: str | None = None
    key: str | None = None
    provider: str | None = None
    model: str | None = None

    def matches(self, who: Who) -> bool:
        """Whether a call of ``who`` counts."""
        wanted = (self.tenant, self.team, self.agent, self.key, self.provider, self.model)
        return all(
            name is None
            or name == value
            or (name.endswith("*") and value.startswith(name.removesuffix("*")))
            for name, value in zip(wanted, who, strict=True)
        )

    def __str__(self) -> str:
        """``team=meetmind model=gpt-4o``, or ``everything``."""
        parts = [(name, getattr(self, name)) for name in SCOPE_NAMES]
        return " ".join(f"{name}={value}" for name, value in parts if value) or "everything"


class Budget(msgspec.Struct, frozen=True):
    """A definition, as settings or a command gave it."""

    name: str
    scope: Scope
    window: Window
    unit: Unit
    limit: Decimal
    """In the unit."""
    thresholds: tuple[int, ...] = (50, 80, 100)
    """Percent, ascending."""
    at_limit: AtLimit = AtLimit.BLOCK
    downgrade: Mapping[str, str] = {}
    """Model to cheaper model."""
    shadow: bool = False
    extra: Decimal = Decimal(0)
    extra_until_ns: int | None = None

    @property
    def stops(self) -> bool:
        """A call can be refused because of it."""
        return self.at_limit is not AtLimit.ALERT and not self.shadow

    def limit_at(self, at_ns: int) -> int:
        """The limit at a moment, with the extra allowance while it lasts; in 1e-12."""
        extra = self.extra if self.extra_until_ns is not None and at_ns < self.extra_until_ns else 0
        return pico_usd(self.limit + extra)

    def counts_as(self, other: "Budget") -> bool:
        """Both count the same calls in the same windows, so that sums carry over."""
        return (self.scope, self.window, self.unit) == (other.scope, other.window, other.unit)


def budget_of(settings: BudgetSettings, *, time_zone: str) -> Budget:
    """The budget of an entry of ``[[budgets]]``; ``time_zone`` where it names none."""
    limits = {
        Unit.USD: settings.limit_usd,
        Unit.TOKENS: settings.limit_tokens,
        Unit.CALLS: settings.limit_calls,
    }
    unit, limit = next((unit, limit) for unit, limit in limits.items() if limit is not None)
    until = settings.extra_until
    return Budget(
        name=settings.name,
        scope=Scope(**{name: getattr(settings, name) for name in SCOPE_NAMES}),
        window=Window(
            WindowKind(settings.window), settings.time_zone or time_zone, settings.seconds
        ),
        unit=unit,
        limit=Decimal(limit),
        thresholds=tuple(sorted(set(settings.thresholds))),
        at_limit=AtLimit(settings.at_limit),
        downgrade=settings.downgrade,
        shadow=settings.shadow,
        extra=settings.extra or Decimal(0),
        extra_until_ns=None if until is None else int(until.timestamp()) * _NS,
    )


def who_calls(intent: Intent) -> Who:
    """What scopes look at in a call."""
    caller = intent.caller
    return (
        caller.tenant_id,
        caller.team,
        caller.agent_id,
        caller.key_id,
        intent.provider,
        intent.model,
    )


def amount_of_call(unit: Unit, call: Call) -> int:
    """What an entry counts as; in 1e-12 of the unit."""
    if unit is Unit.USD:
        return call.cost
    if call.cached:
        return 0
    if unit is Unit.TOKENS:
        return call.tokens.total * PICO_PER_USD
    return 0 if call.status is Status.BLOCKED else PICO_PER_USD


def amount_of_bound(unit: Unit, bound: CallBound | None) -> int:
    """What is held for a call; nothing where nothing bounds it. In 1e-12 of the unit."""
    if unit is Unit.CALLS:
        return PICO_PER_USD
    if bound is None:
        return 0
    return (bound.cost or 0) if unit is Unit.USD else bound.tokens * PICO_PER_USD
