"""The table ``[prices]`` of the configuration: what the operator knows better than a catalogue."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelmeter.settings.globs import globs_meet

__all__ = [
    "OVERRIDES_MAX",
    "RATES",
    "CeilingSettings",
    "DeploymentSettings",
    "DiscountSettings",
    "ModelPriceSettings",
    "PriceSettings",
    "ToolFeeSettings",
    "wrong_prices",
]

OVERRIDES_MAX = 1000
"""Entries of each kind."""
RATES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
)
"""The prices an entry can set, in USD for a million tokens."""

_PRICE_MAX = 10**6
_NOT_CONFIGURED = ("azure",)
"""Providers that usages can come from which are not configured as an upstream."""

Place = tuple[str | int, ...]
Provider = Annotated[str, Field(min_length=1, max_length=63)]
Glob = Annotated[str, Field(min_length=1, max_length=2048)]
Globs = Annotated[tuple[Glob, ...], Field(min_length=1, max_length=100)]
Money = Annotated[Decimal, Field(ge=0, le=_PRICE_MAX, decimal_places=12)]
Rate = (
    Money | Annotated[dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], Money], Field(min_length=1)]
)
"""A price; or by the number of input tokens above which it holds, from "0"."""
Source = Annotated[str, Field(min_length=1, max_length=500)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Dated(_Table):
    """Holds from ``since`` up to before ``until``, days in UTC; without them always."""

    provider: Provider
    since: date | None = None
    until: date | None = None
    source: Source = "configuration"
    """What it rests on, such as a contract; shown with each price."""


class ModelPriceSettings(_Dated):
    """An entry of ``[[prices.models]]``: the price of some models, before any catalogue's."""

    models: Globs
    tier: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    regions: Annotated[tuple[Glob, ...], Field(max_length=100)] = ()
    input: Rate | None = None
    cache_read: Rate | None = None
    cache_write_5m: Rate | None = None
    cache_write_1h: Rate | None = None
    output: Rate | None = None
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    image_input: Rate | None = None
    image_output: Rate | None = None

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        rates = [getattr(self, name) for name in RATES]
        if all(rate is None for rate in rates):
            raise ValueError(f"names no price: give any of {', '.join(RATES)}")
        if any(isinstance(rate, dict) and "0" not in rate for rate in rates):
            raise ValueError('a price by length of the input begins at "0"')
        return self


class DiscountSettings(_Dated):
    """An entry of ``[[prices.discounts]]``: a share off the catalogue's prices of tokens."""

    models: Globs = ("*",)
    percent: Annotated[Decimal, Field(gt=0, le=100, decimal_places=6)]


class DeploymentSettings(_Dated):
    """An entry of ``[[prices.deployments]]``: which model a name of your own stands for."""

    name: Annotated[str, Field(min_length=1, max_length=2048)]
    """An Azure deployment, or the ARN of an application inference profile."""
    model: Annotated[str, Field(min_length=1, max_length=2048)]


class ToolFeeSettings(_Dated):
    """An entry of ``[[prices.tool_fees]]``: what a tool costs that the provider runs."""

    models: Globs = ("*",)
    tool: Literal[
        "web_search",
        "web_search_preview",
        "file_search",
        "code_execution",
        "image_generation",
        "maps_grounding",
        "advice",
    ]
    usd_per_thousand: Money


class CeilingSettings(_Table):
    """What calls of unknown models are charged, in USD for a million tokens."""

    input: Money
    output: Money


class PriceSettings(_Table):
    """The table ``[prices]``."""

    catalogue: Path | None = None
    """The file of a newer catalogue, which ``modelmeter prices update`` writes."""
    unknown_models: Literal["allow", "refuse", "ceiling"] = "allow"
    """A call whose model has no known price: make it and mark it, refuse it, or charge it dear."""
    ceiling: CeilingSettings | None = None
    models: Annotated[tuple[ModelPriceSettings, ...], Field(max_length=OVERRIDES_MAX)] = ()
    discounts: Annotated[tuple[DiscountSettings, ...], Field(max_length=OVERRIDES_MAX)] = ()
    deployments: Annotated[tuple[DeploymentSettings, ...], Field(max_length=OVERRIDES_MAX)] = ()
    tool_fees: Annotated[tuple[ToolFeeSettings, ...], Field(max_length=OVERRIDES_MAX)] = ()

    @model_validator(mode="after")
    def _ceiling_where_it_is_used(self) -> Self:
        if (self.unknown_models == "ceiling") != (self.ceiling is not None):
            raise ValueError('unknown_models = "ceiling" and a ceiling go together')
        return self


def wrong_prices(
    prices: PriceSettings, *, providers: Collection[str]
) -> Iterator[tuple[Place, str]]:
    """Places in ``[prices]`` whose entries can never match or contradict each other, and why."""
    known = {*providers, *_NOT_CONFIGURED}
    kinds: tuple[tuple[str, Sequence[_Dated]], ...] = (
        ("models", prices.models),
        ("discounts", prices.discounts),
        ("deployments", prices.deployments),
        ("tool_fees", prices.tool_fees),
    )
    for kind, entries in kinds:
        for index, entry in enumerate(entries):
            place: Place = ("prices", kind, index)
            if entry.provider not in known:
                yield (*place, "provider"), f"{entry.provider!r} is no configured provider"
            if entry.since is not None and entry.until is not None and entry.since >= entry.until:
                yield (*place, "until"), "is not after since, so the entry can never match"
            for other, earlier in enumerate(entries[:index]):
                if _overlap(earlier, entry):
                    yield place, f"overlaps entry {other + 1} of prices.{kind}: only one can hold"


def _overlap(one: _Dated, other: _Dated) -> bool:
    """Both hold for some call."""
    if one.provider != other.provider or not _days_meet(one, other):
        return False
    if isinstance(one, DeploymentSettings) and isinstance(other, DeploymentSettings):
        return one.name.lower() == other.name.lower()
    if isinstance(one, ToolFeeSettings) and isinstance(other, ToolFeeSettings):
        return one.tool == other.tool and _globs_meet(one.models, other.models)
    if isinstance(one, DiscountSettings) and isinstance(other, DiscountSettings):
        return _globs_meet(one.models, other.models)
    if isinstance(one, ModelPriceSettings) and isinstance(other, ModelPriceSettings):
        return (
            one.tier == other.tier
            and _globs_meet(one.models, other.models)
            and (
                _globs_meet(one.regions, other.regions)
                if one.regions and other.regions
                else one.regions == other.regions
            )
        )
    return False


def _days_meet(one: _Dated, other: _Dated) -> bool:
    starts = max(one.since or date.min, other.since or date.min)
    return starts < min(one.until or date.max, other.until or date.max)


def _globs_meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(globs_meet(one.lower(), other.lower()) for one in some for other in others)
