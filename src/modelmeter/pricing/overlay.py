"""Our own dated prices, `overlay.toml`, which stand before the base catalogue's."""

import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import msgspec

from modelmeter.pricing.price_dates import dated
from modelmeter.record import PICO_PER_USD

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

__all__ = [
    "LongWrite",
    "Overlay",
    "OverlayPrice",
    "TierShare",
    "ToolFee",
    "Uplift",
    "called_names",
]

_FILE = "overlay.toml"
_GEOGRAPHIES = ("us-gov.", "apac.", "us.", "eu.", "jp.", "au.", "ca.", "global.")
_BASE_STEP = "0"
_PER_THOUSAND = 1000
_CATALOGUE_KEYS = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "cache_audio_read": "cache_audio_read_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "image_input": "input_image_mtok",
    "image_output": "output_image_mtok",
    "web_search": "web_searches_kcount",
    "file_search": "storage_searches_kcount",
    "characters": "input_mchars",
}

Rate = Decimal | dict[str, Decimal]
"""USD for a million tokens; as a table by the number of input tokens above which it holds."""
Globs = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class OverlayPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of some models for a span of days; without any rate it is known to be unknown."""

    provider: str
    models: Globs
    source: str
    since: date | None = None
    until: date | None = None
    tier: str | None = None
    regions: tuple[str, ...] = ()
    input: Rate | None = None
    cache_read: Rate | None = None
    cache_write_5m: Rate | None = None
    cache_write_1h: Rate | None = None
    cache_audio_read: Rate | None = None
    output: Rate | None = None
    reasoning: Rate | None = None
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    image_input: Rate | None = None
    image_output: Rate | None = None
    web_search: Rate | None = None
    """USD for a thousand."""
    file_search: Rate | None = None
    """USD for a thousand."""
    characters: Rate | None = None
    """USD for a million characters of input, where those are billed."""

    def fits(self, moment: datetime, tier: str | None, region: str | None) -> bool:
        """It holds at ``moment``, for ``tier``, in ``region``."""
        return (
            self.tier == tier
            and _holds(self.since, self.until, moment)
            and (not self.regions or _matches(self.regions, ((region or "").lower(),)))
        )

    @property
    def days(self) -> tuple[date, ...]:
        """The days on which it begins and ends to hold."""
        return tuple(day for day in (self.since, self.until) if day is not None)

    @property
    def prices(self) -> "ModelPrice":
        """In the catalogue's own form."""
        from genai_prices.types import ModelPrice

        rates = {key: getattr(self, name) for name, key in _CATALOGUE_KEYS.items()}
        return ModelPrice(
            **{key: _in_steps(rate) for key, rate in rates.items() if rate is not None}
        )

    @property
    def span(self) -> str:
        """Since when it holds, for people."""
        return dated(self.since, self.until)


class TierShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tier that costs a share of the ordinary price."""

    provider: str
    models: Globs
    tier: str
    share: Decimal
    source: str
    since: date | None = None
    until: date | None = None


class Uplift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What some regions cost of the price that holds elsewhere, in any tier."""

    provider: str
    models: Globs
    regions: Globs
    share: Decimal
    source: str
    since: date | None = None
    until: date | None = None


class LongWrite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a cache write that is kept for long costs of the input's price, in every tier."""

    provider: str
    models: Globs
    times_input: Decimal
    source: str


class ToolFee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a use of a tool costs that the provider runs, where the catalogue does not say it.

    Without an amount it is known to be unknown, whatever the catalogue says.
    """

    provider: str
    models: Globs
    tool: str
    source: str
    usd_per_thousand: Decimal | None = None
    since: date | None = None
    until: date | None = None

    @property
    def days(self) -> tuple[date, ...]:
        """The days on which it begins and ends to hold."""
        return tuple(day for day in (self.since, self.until) if day is not None)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    price: list[OverlayPrice]
    share: list[TierShare]
    uplift: list[Uplift]
    long_write: list[LongWrite]
    fee: list[ToolFee]


class Overlay:
    """All entries; the first that fits is the one."""

    def __init__(self) -> None:
        text = files("modelmeter.pricing").joinpath(_FILE).read_text(encoding="utf-8")
        read = msgspec.convert(tomllib.loads(text), _File)
        self.prices = tuple(read.price)
        self.shares = tuple(read.share)
        self.uplifts = tuple(read.uplift)
        self.long_writes = tuple(read.long_write)
        self.fees = tuple(read.fee)

    def prices_of(self, provider_id: str, model: str) -> tuple[OverlayPrice, ...]:
        """The entries for a model as it is called, whatever the day."""
        names = called_names(model)
        return tuple(
            entry
            for entry in self.prices
            if entry.provider == provider_id and _matches(entry.models, names)
        )

    def share(self, provider_id: str, model: str, tier: str, moment: datetime) -> TierShare | None:
        """The share of the ordinary price that ``tier`` costs, if that is how it is priced."""
        names = called_names(model)
        for entry in self.shares:
            if (
                (entry.provider, entry.tier) == (provider_id, tier)
                and _holds(entry.since, entry.until, moment)
                and _matches(entry.models, names)
            ):
                return entry
        return None

    def long_write(self, provider_id: str, model: str) -> LongWrite | None:
        """How cache writes that are kept for long are priced, where the catalogue does not say."""
        names = called_names(model)
        return next(
            (
                entry
                for entry in self.long_writes
                if entry.provider == provider_id and _matches(entry.models, names)
            ),
            None,
        )

    def tool_fees(self, provider_id: str, model: str, moment: datetime) -> dict[str, int | None]:
        """The fees of tools, in pico-dollars a use, or unknown; of two for one tool the first."""
        return {
            fee.tool: None
            if fee.usd_per_thousand is None
            else int(fee.usd_per_thousand * PICO_PER_USD) // _PER_THOUSAND
            for fee in reversed(self.fees_of(provider_id, model))
            if _holds(fee.since, fee.until, moment)
        }

    def fees_of(self, provider_id: str, model: str) -> tuple[ToolFee, ...]:
        """The fees of tools of a model as it is called, whatever the day."""
        names = called_names(model)
        return tuple(
            fee for fee in self.fees if fee.provider == provider_id and _matches(fee.models, names)
        )

    def uplift(
        self, provider_id: str, model: str, region: str | None, moment: datetime
    ) -> Uplift | None:
        """What ``region`` costs of the price elsewhere, if it is not the same."""
        if region is None:
            return None
        names = called_names(model)
        for entry in self.uplifts:
            if (
                entry.provider == provider_id
                and _holds(entry.since, entry.until, moment)
                and _matches(entry.regions, (region.lower(),))
                and _matches(entry.models, names)
            ):
                return entry
        return None


def called_names(model: str) -> tuple[str, ...]:
    """A model's id without the path before it, and without its geographic prefix."""
    name = model.rpartition("/")[2].lower()
    return tuple(
        dict.fromkeys((name, *(name.removeprefix(geography) for geography in _GEOGRAPHIES)))
    )


def _matches(globs: Iterable[str], names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for name in names for glob in globs)


def _holds(since: date | None, until: date | None, moment: datetime) -> bool:
    day = moment.date()
    return (since is None or day >= since) and (until is None or day < until)


def _in_steps(rate: Rate) -> "Decimal | TieredPrices":
    from genai_prices.types import Tier, TieredPrices

    if isinstance(rate, Decimal):
        return rate
    steps = [Tier(start=int(above), price=price) for above, price in rate.items() if int(above)]
    return TieredPrices(base=rate[_BASE_STEP], tiers=steps)
