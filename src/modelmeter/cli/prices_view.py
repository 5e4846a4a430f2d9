"""Prices of models and their changes, as tables for people and as JSON for programs."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from modelmeter.cli.figures import inert
from modelmeter.cli.sellers import PROVIDERS
from modelmeter.ledger.unpriced import UnpricedModel
from modelmeter.pricing import PriceBook
from modelmeter.pricing.catalogue_file import CatalogueData
from modelmeter.pricing.history import Difference, Period, quote_on
from modelmeter.pricing.quote import Quote
from modelmeter.pricing.rates import DEARER_TOKENS, decimal_text
from modelmeter.record import TokenCounts, usd_text

__all__ = ["print_check", "print_differences", "print_history", "print_quotes", "print_update"]

_KINDS = TokenCounts.__struct_fields__
_SHOWN = ("input", "cache_read", "output")
_PER_MTOK = 10**6
_PICO = 10**12

Row = tuple[str, str, Quote]
"""Provider, model, price."""


def print_quotes(rows: Sequence[Row], *, as_json: bool) -> None:
    """A row a model."""
    if as_json:
        for provider, model, quote in rows:
            _echo({"provider": provider, "model": model, **_fields(quote)})
        return
    table = _table("USD for a million tokens", ("provider", "model", *_SHOWN))
    for provider, model, quote in rows:
        table.add_row(provider, inert(model), *_cells(quote))
    Console(highlight=False).print(table)


def print_history(provider: str, model: str, periods: Iterable[Period], *, as_json: bool) -> None:
    """A row a period."""
    if as_json:
        for period in periods:
            days = {"from": _iso(period.since), "before": _iso(period.until)}
            _echo({"provider": provider, "model": model, **days, **_fields(period.quote)})
        return
    title = f"{provider} {inert(model)}, USD for a million tokens"
    table = _table(title, ("from", "before", *_SHOWN, "source"))
    for period in periods:
        source = period.quote.price_source or period.quote.note or ""
        first, last = _iso(period.since) or "", _iso(period.until) or ""
        table.add_row(first, last, *_cells(period.quote), source)
    Console(highlight=False).print(table)


def print_differences(found: Sequence[Difference], *, as_json: bool) -> None:
    """A row a model whose price differs."""
    if as_json:
        for one in found:
            before, after = _fields(one.before), _fields(one.after)
            _echo({"provider": one.provider, "model": one.model, "before": before, "after": after})
        return
    if not found:
        typer.echo("No price differs between the two days.")
        return
    table = _table("before → after, USD for a million tokens", ("provider", "model", *_SHOWN))
    for one in found:
        cells = [
            old if old == new else f"{old} → {new}"
            for old, new in zip(_cells(one.before), _cells(one.after), strict=True)
        ]
        table.add_row(one.provider, inert(one.model), *cells)
    Console(highlight=False).print(table)


def print_update(
    old: PriceBook, new: PriceBook, target: Path, *, is_configured: bool, as_json: bool
) -> None:
    """What a new catalogue changes of today's prices, and who takes it up."""
    from datetime import UTC, datetime

    today = datetime.now(UTC).date()
    changed = []
    for provider in PROVIDERS:
        names = dict.fromkeys((*old.listed_ids(provider), *new.listed_ids(provider)))
        for model in (name for name in names if "*" not in name):
            before = quote_on(old, provider, model, today)
            after = quote_on(new, provider, model, today)
            if before.rates != after.rates:
                changed.append(Difference(provider, model, before, after))
    if not as_json:
        typer.echo(f"{target}: {new.catalogue.source}, in place of {old.catalogue.source}.")
    if as_json or changed:
        print_differences(changed, as_json=as_json)
    if as_json:
        return
    typer.echo(_changes(len(changed)))
    if is_configured:
        typer.echo("What runs by this configuration takes the file up within seconds.")
    else:
        typer.echo(f'Nothing uses the file before catalogue = "{target}" stands in [prices].')


def _changes(count: int) -> str:
    if not count:
        return "Today's prices are the same as before."
    return f"{count:,} of today's prices {'is another one' if count == 1 else 'are other ones'}."


def print_check(
    catalogue: CatalogueData,
    newest: date | None,
    today: date,
    gaps: Sequence[UnpricedModel],
    *,
    as_json: bool,
) -> None:
    """The catalogue's age and gaps."""
    age_days = None if newest is None else (today - newest).days
    if as_json:
        _echo(
            {
                "source": catalogue.source,
                "taken_at": None if catalogue.taken_at is None else catalogue.taken_at.isoformat(),
                "newest_change": _iso(newest),
                "age_days": age_days,
                "fallback": catalogue.fallback,
                "unpriced": [msgspec.to_builtins(gap) for gap in gaps],
            }
        )
        return
    console = Console(highlight=False)
    console.print(f"Catalogue: {catalogue.source}", markup=False)
    if newest is not None:
        console.print(f"Newest change of a price it knows: {newest}, {age_days} days ago")
    if catalogue.fallback is not None:
        console.print(f"In place of the configured one: {catalogue.fallback}", markup=False)
    if not gaps:
        console.print("No call in the ledger is without a known price.")
        return
    table = _table("Called without a known price", ("provider", "model", "calls"))
    for gap in gaps:
        table.add_row(gap.provider, inert(gap.model), f"{gap.calls:,}")
    console.print(table)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        figures = column in _SHOWN or column == "calls"
        table.add_column(
            column,
            justify="right" if figures else "left",
            overflow="fold",
            no_wrap=figures or column in ("from", "before"),
        )
    return table


def _prices(quote: Quote) -> list[tuple[int, dict[str, str]]]:
    """By band: the number of input tokens above which it holds, and USD for a million tokens."""
    rates = quote.rates
    if rates is None:
        return []
    return [
        (
            max(above, 0),
            {
                kind: decimal_text(Decimal(price) * _PER_MTOK / (rates.scale * _PICO))
                for kind, price in zip(_KINDS, prices, strict=True)
                if kind not in rates.unpriced_kinds
            },
        )
        for above, prices in rates.bands
    ]


def _cells(quote: Quote) -> list[str]:
    bands = _prices(quote)
    if not bands:
        return ["–"] * len(_SHOWN)
    cells = []
    for kind in _SHOWN:
        steps = [prices.get(kind, "–") for _, prices in bands]
        cells.append(" / ".join(dict.fromkeys(steps)))
    return cells


def _fields(quote: Quote) -> dict[str, object]:
    rates = quote.rates
    return {
        "usd_per_million": [
            {"above_input_tokens": above, **prices} for above, prices in _prices(quote)
        ],
        "usd_per_use": {
            use: usd_text(fee)
            for use, fee in (() if rates is None else rates.tool_fees)
            if fee or use not in DEARER_TOKENS
        },
        "matched_model": quote.priced_model,
        "source": quote.price_source,
        "reason": quote.note,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _echo(fields: dict[str, object]) -> None:
    typer.echo(msgspec.json.encode(fields).decode())
