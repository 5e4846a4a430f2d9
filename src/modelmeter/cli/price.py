"""``modelmeter price``: what tokens of a model cost, line by line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from modelmeter.cli.sellers import Named, Seller
    from modelmeter.pricing import Price, PriceBook
    from modelmeter.pricing.quote import Quote
    from modelmeter.record import TokenCounts

__all__ = ["price"]

_COUNT_DIGITS_MAX = 12
_PER_MONTH = {"month": 1, "day": 30, "hour": 30 * 24, "minute": 30 * 24 * 60}
"""How often each unit comes in a month of 30 days."""


class _Priced(NamedTuple):
    model: str
    """As it was asked for."""
    seller: "Seller | None"
    """None: nobody has a price for it."""
    quote: "Quote"
    price: "Price"


def price(
    models: Annotated[
        list[str] | None, typer.Argument(help="MODEL or PROVIDER/MODEL; cheapest shown first.")
    ] = None,
    input_tokens: Annotated[int, typer.Option("--input", min=0, help="With cached ones.")] = 0,
    cached: Annotated[int, typer.Option(min=0, help="Of the input, read from a cache.")] = 0,
    output: Annotated[int, typer.Option(min=0, help="With reasoning.")] = 0,
    provider: Annotated[
        str | None, typer.Option(help="openai, anthropic, genai, bedrock, …; else by the name.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Day or ISO time of the call; else now.")] = None,
    tier: Annotated[str | None, typer.Option(help="batch, flex, priority, fast.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is served.")] = None,
    per_month: Annotated[
        str | None, typer.Option(help="Estimate a month of so many such calls: 2000/day.")
    ] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option(help="Price a file of usages instead, one JSON object a line; - is stdin."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Show what a call costs: its tokens, the rates, their source and date.

    With --jsonl: each line names provider, api, model, when, tier, region, http_status and
    raw_usage or raw_response, as the provider returned it, and fees that you know were billed
    beside; the result is one line each.

    The exit status is 1 if a model is one that no price is known for.
    """
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.cli.sellers import named, nobody_knows
    from modelmeter.errors import SettingsError
    from modelmeter.record import TokenCounts
    from modelmeter.wiring import price_book

    if (jsonl is None) == (not models):
        raise SettingsError("name one or more models, or a file with --jsonl")
    calls = None if per_month is None else _calls_per_month(per_month)
    if cached > input_tokens:
        raise SettingsError("--cached is a part of --input and cannot be more")
    settings = settings_of(config, prices=True)
    book = price_book(settings)
    if jsonl is not None:
        from modelmeter.cli.price_jsonl import price_file

        price_file(jsonl, book)
        return
    tokens = TokenCounts(input=input_tokens - cached, cache_read=cached, output=output)
    moment = _moment(at)
    names = {text: named(text, provider, book, settings.providers) for text in models or ()}
    found = [
        _priced(book, text, names[text], tokens, moment, (tier, region)) for text in models or ()
    ]
    found.sort(key=lambda one: (one.price.price_source is None, one.price.cost))
    if as_json:
        _print_json(found, tokens, calls)
    else:
        _print_tables(found, tokens, calls)
    unknown = [one.model for one in found if one.price.price_source is None]
    for text in unknown:
        typer.echo(f"modelmeter: {nobody_knows(book, names[text])}", err=True)
    if unknown:
        raise typer.Exit(1)


def _calls_per_month(text: str) -> int:
    """
    The calls of a month of 30 days.

    Raises:
        SettingsError: it is not such as ``2000/day``.
    """
    from modelmeter.errors import SettingsError

    count, _, unit = text.partition("/")
    if not count.isdecimal() or len(count) > _COUNT_DIGITS_MAX or unit not in _PER_MONTH:
        raise SettingsError(f"no such rate {text!r}: give 2000/day, or a/{', a/'.join(_PER_MONTH)}")
    return int(count) * _PER_MONTH[unit]


def _moment(at: str | None) -> "datetime":
    from datetime import UTC, datetime

    from modelmeter.errors import SettingsError

    if at is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise SettingsError(f"{at!r} is no date and no ISO time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _priced(
    book: "PriceBook",
    text: str,
    name: "Named",
    tokens: "TokenCounts",
    moment: "datetime",
    terms: tuple[str | None, str | None],
) -> _Priced:
    from modelmeter.cli.sellers import seller_of

    tier, region = terms
    at_ns = int(moment.timestamp()) * 10**9
    quotes = {
        provider: book.quote(provider, name.model, at_ns, service_tier=tier, region=region)
        for provider in name.providers
    }
    prices = {provider: quote.price(tokens) for provider, quote in quotes.items()}
    # A ceiling is everybody's price, so it says nothing of whose model it is.
    known = {who: one.cost for who, one in prices.items() if one.priced_model is not None}
    seller = seller_of(name.model, known)
    chosen = name.providers[-1] if seller is None else seller.provider
    return _Priced(text, seller, quotes[chosen], prices[chosen])


def _print_json(found: list[_Priced], tokens: "TokenCounts", calls: int | None) -> None:
    import msgspec

    from modelmeter.pricing.rates import line_fields
    from modelmeter.record import usd_text

    for one in found:
        cost, seller = one.price, one.seller
        row: dict[str, object] = {
            "model": one.model,
            "provider": None if seller is None else seller.provider,
            "other_providers": [] if seller is None else seller.others,
            "state": cost.state,
            "cost_usd": None if cost.price_source is None else usd_text(cost.cost),
            "lines": [line_fields(line) for line in one.quote.lines(tokens)],
            "matched_model": cost.priced_model,
            "source": cost.price_source,
            "reason": cost.note,
        }
        if calls is not None:
            row["calls_per_month"] = calls
            row["month_usd"] = None if cost.price_source is None else usd_text(calls * cost.cost)
        typer.echo(msgspec.json.encode(row).decode())


def _print_tables(found: list[_Priced], tokens: "TokenCounts", calls: int | None) -> None:
    from rich.console import Console

    from modelmeter.cli.figures import inert, money_text
    from modelmeter.cli.price_lines import lines_table
    from modelmeter.record import usd_text

    console = Console(highlight=False)
    for one in found:
        cost = one.price
        if cost.price_source is None:
            continue
        lines = one.quote.lines(tokens)
        console.print(lines_table(inert(one.model), lines, usd_text(cost.cost)))
        if calls is not None:
            month = money_text(calls * cost.cost)
            console.print(f"{calls:,} such calls, a month of 30 days: {month}")
        ambiguity = None if one.seller is None else one.seller.ambiguity
        for text in (cost.price_source, cost.note, ambiguity):
            if text:
                console.print(text, markup=False, soft_wrap=True)
