"""``modelmeter prices``: what the catalogue of prices knows, how it changed, and a newer one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import date

    from modelmeter.pricing import PriceBook
    from modelmeter.settings.model import Settings

__all__ = ["app"]

app = typer.Typer(help="The catalogue of prices.", no_args_is_help=True)

_Config = Annotated[Path | None, typer.Option("--config", help="The configuration's file.")]
_Json = Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")]
_Provider = Annotated[
    str | None, typer.Option("--provider", help="openai, anthropic, genai, bedrock or another.")
]


@app.callback()
def prices() -> None:
    """What models cost and cost before, what changed, and a newer catalogue."""


@app.command("list")
def list_prices(
    provider: _Provider = None,
    at: Annotated[str | None, typer.Option(help="On this day; else today.")] = None,
    as_json: _Json = False,
    config: _Config = None,
) -> None:
    """Show the models with a known price, and the price of a day."""
    from modelmeter.cli.prices_view import print_quotes
    from modelmeter.pricing.history import quote_on

    book, _ = _book(config)
    day = _day(at)
    rows = [
        (name, model, quote_on(book, name, model, day))
        for name in _chosen(provider)
        for model in book.listed_ids(name)
        if "*" not in model
    ]
    print_quotes([row for row in rows if row[2].rates is not None], as_json=as_json)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="As it is called, or PROVIDER/MODEL.")],
    provider: _Provider = None,
    tier: Annotated[str | None, typer.Option(help="batch, flex, priority, fast.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is served.")] = None,
    as_json: _Json = False,
    config: _Config = None,
) -> None:
    """Show what a model cost when, with the source of each price."""
    from modelmeter.cli.prices_view import print_history
    from modelmeter.cli.sellers import named, nobody_knows, seller_of
    from modelmeter.errors import UnknownModelError
    from modelmeter.pricing.history import price_history, quote_on
    from modelmeter.record import TokenCounts

    book, settings = _book(config)
    asked, today = named(model, provider, book, settings.providers), _day(None)
    histories = {
        name: price_history(book, name, asked.model, tier=tier, region=region)
        for name in asked.providers
    }
    some = TokenCounts(input=1_000_000, output=1_000_000)
    worths = {
        name: quote_on(book, name, asked.model, today, tier=tier, region=region).price(some).cost
        for name, periods in histories.items()
        if any(period.quote.rates is not None for period in periods)
    }
    seller = seller_of(asked.model, worths)
    if seller is None:
        raise UnknownModelError(nobody_knows(book, asked))
    print_history(seller.provider, asked.model, histories[seller.provider], as_json=as_json)
    if seller.ambiguity is not None:
        typer.echo(f"modelmeter: {seller.ambiguity}", err=True)


@app.command()
def diff(
    from_: Annotated[str, typer.Option("--from", help="One day.")],
    to: Annotated[str | None, typer.Option(help="Another day; else today.")] = None,
    provider: _Provider = None,
    as_json: _Json = False,
    config: _Config = None,
) -> None:
    """Show which models have another price on the second day."""
    from modelmeter.cli.prices_view import print_differences
    from modelmeter.pricing.history import differences

    book, _ = _book(config)
    found = list(differences(book, _chosen(provider), _day(from_), _day(to)))
    print_differences(found, as_json=as_json)


@app.command()
def update(
    source: Annotated[
        Path | None,
        typer.Argument(help="A file of prices; without it the installed genai-prices' own."),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="The file to write, instead of the configuration's.")
    ] = None,
    as_json: _Json = False,
    config: _Config = None,
) -> None:
    """
    Take a newer catalogue from a file or from the installed package; the old one stays beside it.

    Nothing is fetched, and nothing changes without this command. What runs takes the file up by
    itself within seconds, if its configuration names it.
    """
    from datetime import UTC, datetime

    from modelmeter.cli.prices_view import print_update
    from modelmeter.errors import SettingsError
    from modelmeter.pricing import PriceBook
    from modelmeter.pricing.catalogue_file import (
        bundled_catalogue,
        load_catalogue,
        read_catalogue,
        write_catalogue,
    )

    settings = _settings(config)
    target = catalogue or settings.prices.catalogue
    if target is None:
        raise SettingsError(
            'say where the catalogue is kept: catalogue = "prices.json" in [prices], or --catalogue'
        )
    fresh = bundled_catalogue() if source is None else read_catalogue(source)
    old = load_catalogue(target if target.exists() else None)
    write_catalogue(target, fresh, datetime.now(UTC))
    print_update(
        PriceBook(catalogue=old),
        PriceBook(catalogue=fresh),
        target,
        is_configured=target == settings.prices.catalogue,
        as_json=as_json,
    )


@app.command()
def check(
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    as_json: _Json = False,
    config: _Config = None,
) -> None:
    """Show how old the catalogue is, and which models were called without a known price."""
    from datetime import UTC, datetime

    from modelmeter.cli.prices_view import print_check
    from modelmeter.ledger.unpriced import unpriced_models
    from modelmeter.pricing.catalogue_file import newest_change

    book, settings = _book(config)
    today = datetime.now(UTC).date()
    path = ledger or settings.ledger
    gaps = unpriced_models(path) if path.exists() else []
    print_check(book.catalogue, newest_change(book.catalogue, today), today, gaps, as_json=as_json)
    if book.catalogue.fallback is not None:
        raise typer.Exit(1)


def _settings(config: Path | None) -> "Settings":
    from modelmeter.cli.ledger_option import settings_of

    return settings_of(config)


def _book(config: Path | None) -> "tuple[PriceBook, Settings]":
    from modelmeter.wiring import price_book

    settings = _settings(config)
    return price_book(settings), settings


def _chosen(provider: str | None) -> tuple[str, ...]:
    from modelmeter.cli.sellers import PROVIDERS
    from modelmeter.pricing.usage_line import provider_name

    return PROVIDERS if provider is None else (provider_name(provider),)


def _day(text: str | None) -> "date":
    from datetime import UTC, date, datetime

    from modelmeter.errors import SettingsError

    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is no day: give it as 2026-11-30") from error
