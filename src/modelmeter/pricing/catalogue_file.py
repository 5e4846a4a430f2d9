"""A catalogue in a file: written from an installed package or another file, read with care."""

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import msgspec

from modelmeter.errors import CatalogueError

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

__all__ = [
    "CATALOGUE_BYTES_MAX",
    "CatalogueData",
    "FileMark",
    "bundled_catalogue",
    "load_catalogue",
    "mark_of",
    "newest_change",
    "read_catalogue",
    "write_catalogue",
]

logger = logging.getLogger(__name__)

CATALOGUE_BYTES_MAX = 64 * 1024 * 1024
"""A catalogue's file."""
PREVIOUS = ".previous"
"""Behind the name of the file: the catalogue before the last update."""

_NEEDED = ("openai", "anthropic", "google", "aws")
_LEFT_OUT = frozenset({"extractors"})
"""What is about reading answers, which the dialects do."""
_PRICE_MAX = 1_000_000
"""USD; the dearest of all has three digits."""
_PRICE_PLACES_MAX = 18
"""Behind the point."""
_KEPT_SHARE = 2
"""A catalogue with less than half the models of the bundled one is taken for a broken one."""


class FileMark(msgspec.Struct, frozen=True):
    """What tells one content of a file from the next, without reading it."""

    modified_ns: int
    size: int
    inode: int


class CatalogueData(msgspec.Struct, frozen=True):
    """The base prices that a book starts from."""

    providers: "list[Provider]"
    source: str
    """As it stands in front of each price: the package and its version."""
    taken_at: datetime | None = None
    """When it was written to its file; None: it came with the installed package."""
    fallback: str | None = None
    """Why this is not the catalogue that was asked for."""
    mark: FileMark | None = None
    """Of the file it was read from, as it stood before."""


def bundled_catalogue() -> CatalogueData:
    """The catalogue of the installed `genai-prices`."""
    # 30,000 lines of prices: half a second that only those pay who price something.
    from genai_prices import __version__
    from genai_prices.data import providers

    return CatalogueData(providers, f"genai-prices {__version__}")


def load_catalogue(path: Path | None, *, told: bool = True) -> CatalogueData:
    """
    The catalogue of a file, else the one before it, else the bundled one; it says which and why.

    It never fails: calls must be priced by the best that is there. Unless it is ``told``, the log
    says nothing: somebody else loads it as well.
    """
    if path is None:
        return bundled_catalogue()
    mark = mark_of(path)
    faults = []
    for candidate in (path, path.with_name(path.name + PREVIOUS)):
        try:
            found = read_catalogue(candidate)
        except CatalogueError as error:
            faults.append(str(error))
        else:
            break
    else:
        found = bundled_catalogue()
    if not faults:
        return found
    if told:
        logger.warning("%s; prices are those of %s", faults[0], found.source)
    # Of the file that is broken, so that it is looked at again only once it is another one.
    return msgspec.structs.replace(found, fallback=faults[0], mark=mark)


def mark_of(path: Path) -> FileMark | None:
    """The mark of a file; None if it is not there, or cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileMark(found.st_mtime_ns, found.st_size, found.st_ino)


def read_catalogue(path: Path) -> CatalogueData:
    """
    A catalogue's file, ours or one that `genai-prices` publishes, checked as a whole.

    Raises:
        CatalogueError: it is missing, unreadable, or holds too little to be a catalogue.
    """
    # Before it is read: what is written meanwhile has another mark, and is found by it.
    mark = mark_of(path)
    try:
        with path.open("rb") as file:
            content = file.read(CATALOGUE_BYTES_MAX + 1)
    except OSError as error:
        raise CatalogueError(f"cannot read the price catalogue {path}: {error.strerror}") from error
    if len(content) > CATALOGUE_BYTES_MAX:
        raise CatalogueError(f"the price catalogue {path} is larger than {CATALOGUE_BYTES_MAX}")
    try:
        read = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise CatalogueError(f"the price catalogue {path} is not JSON: {error}") from error
    header = read if isinstance(read, dict) else {"providers": read, "source": f"file {path.name}"}
    providers = _providers(header.get("providers"), path)
    taken_at = header.get("taken_at")
    try:
        moment = None if taken_at is None else datetime.fromisoformat(str(taken_at))
    except ValueError as error:
        raise CatalogueError(f"the price catalogue {path} has no known date") from error
    return CatalogueData(providers, str(header.get("source", path.name)), moment, mark=mark)


def write_catalogue(path: Path, catalogue: CatalogueData, now: datetime) -> None:
    """
    Put a catalogue in place of the file at ``path``, whose content stays beside it.

    Raises:
        CatalogueError: it cannot be written; the old one stands.
    """
    content = {
        "source": catalogue.source,
        "taken_at": now.astimezone(UTC).isoformat(),
        "providers": [_raw(provider) for provider in catalogue.providers],
    }
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(msgspec.json.encode(content))
        read_catalogue(fresh)
        if path.exists():
            _keep_beside(path)
        # Whoever looks, at whatever moment, finds the old file or the new one, and it is whole.
        fresh.replace(path)
    except OSError as error:
        raise CatalogueError(f"cannot write {path}: {error.strerror}") from error


def newest_change(catalogue: CatalogueData, today: date) -> date | None:
    """The newest day, up to today, on which a price changed that the catalogue knows: its age."""
    from genai_prices.types import StartDateConstraint

    days = {
        part.constraint.start_date
        for provider in catalogue.providers
        for model in provider.models
        for part in (
            *(model.price_variants or ()),
            *(model.prices if isinstance(model.prices, list) else ()),
        )
        if isinstance(part.constraint, StartDateConstraint)
    }
    return max((day for day in days if day <= today), default=None)


def _keep_beside(path: Path) -> None:
    copy = path.with_name(path.name + PREVIOUS + ".new")
    copyfile(path, copy)
    copy.replace(path.with_name(path.name + PREVIOUS))


def _providers(raw: object, path: Path) -> "list[Provider]":
    # The package's own reader of its published files; its version is pinned.
    from genai_prices.types import _providers_from_raw

    if not isinstance(raw, list):
        raise CatalogueError(f"the price catalogue {path} is no list of providers")
    try:
        providers = _providers_from_raw(raw)
    except (ValueError, AssertionError, TypeError, LookupError) as error:
        raise CatalogueError(f"the price catalogue {path} is broken: {error}") from error
    found = {provider.id for provider in providers}
    if missing := [needed for needed in _NEEDED if needed not in found]:
        raise CatalogueError(f"the price catalogue {path} lacks {', '.join(missing)}")
    for provider in providers:
        for model in provider.models:
            if (wrong := next(filter(_is_no_price, _prices_of(model)), None)) is not None:
                raise CatalogueError(
                    f"the price catalogue {path} has {wrong} as a price of {provider.id} {model.id}"
                )
    models = sum(len(provider.models) for provider in providers)
    usual = sum(len(provider.models) for provider in bundled_catalogue().providers)
    if models * _KEPT_SHARE < usual:
        raise CatalogueError(
            f"the price catalogue {path} has {models} models where there were {usual}"
        )
    return providers


def _prices_of(model: "ModelInfo") -> Iterator[Decimal]:
    """Every number among a model's prices, of whatever day and tier."""
    from genai_prices.types import ModelPrice

    dated = [*(model.price_variants or ())]
    whole = model.prices if isinstance(model.prices, list) else [model.prices]
    for part in (*dated, *whole):
        prices = part if isinstance(part, ModelPrice) else part.prices
        for price in vars(prices).values():
            if isinstance(price, Decimal):
                yield price
            elif price is not None:
                yield from (price.base, *(tier.price for tier in price.tiers))


def _is_no_price(price: Decimal) -> bool:
    places = price.as_tuple().exponent
    return not (
        isinstance(places, int) and 0 <= price <= _PRICE_MAX and -places <= _PRICE_PLACES_MAX
    )


def _raw(value: object) -> object:
    """A part of a catalogue in the form in which it is published."""
    from genai_prices.types import ModelPrice

    if isinstance(value, ModelPrice):
        return {key: _raw(price) for key, price in vars(value).items() if price is not None}
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            name.rstrip("_"): _raw(part)
            for name, part in fields.items()
            if part is not None and name not in _LEFT_OUT
        }
    if isinstance(value, Mapping):
        return {key: _raw(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_raw(part) for part in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
