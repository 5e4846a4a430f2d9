"""``modelmeter price``: what tokens of a model cost, line by line."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from modelmeter.pricing import Price, PriceBook
    from modelmeter.pricing.rates import PriceLine
    from modelmeter.record import TokenCounts

__all__ = ["price"]

_PROVIDERS = ("openai", "anthropic", "genai", "bedrock")


def price(
    models: Annotated[list[str], typer.Argument(help="One or more models, cheapest shown first.")],
    input_tokens: Annotated[int, typer.Option("--input", min=0, help="With cached ones.")] = 0,
    cached: Annotated[int, typer.Option(min=0, help="Of the input, read from a cache.")] = 0,
    output: Annotated[int, typer.Option(min=0, help="With reasoning.")] = 0,
    provider: Annotated[
        str | None, typer.Option(help="openai, anthropic, genai or bedrock; else the first.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Day or ISO time of the call; else now.")] = None,
    tier: Annotated[str | None, typer.Option(help="batch, flex, priority, fast.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is served.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
) -> None:
    """Show what a call costs: its tokens, the rates, their source and date."""
    from modelmeter.errors import SettingsError
    from modelmeter.pricing import PriceBook
    from modelmeter.record import TokenCounts

    if cached > input_tokens:
        raise SettingsError("--cached is a part of --input and cannot be more")
    tokens = TokenCounts(input=input_tokens - cached, cache_read=cached, output=output)
    moment = _moment(at)
    book = PriceBook()
    providers = (provider,) if provider else _PROVIDERS
    found = [_priced(book, name, providers, tokens, moment, (tier, region)) for name in models]
    found.sort(key=lambda one: (one[1].price_source is None, one[1].cost))
    if as_json:
        _print_json(found)
    else:
        _print_tables(found)


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
    model: str,
    providers: tuple[str, ...],
    tokens: "TokenCounts",
    moment: "datetime",
    terms: tuple[str | None, str | None],
) -> "tuple[str, Price, list[PriceLine]]":
    tier, region = terms
    at_ns = int(moment.timestamp()) * 10**9
    for name in providers:
        quote = book.quote(name, model, at_ns, service_tier=tier, region=region)
        if quote.rates is not None:
            break
    return model, quote.price(tokens), quote.lines(tokens)


def _print_json(found: "list[tuple[str, Price, list[PriceLine]]]") -> None:
    import msgspec

    from modelmeter.cli.price_lines import line_fields
    from modelmeter.record import usd_text

    for model, cost, lines in found:
        row = {
            "model": model,
            "state": cost.state,
            "cost_usd": None if cost.price_source is None else usd_text(cost.cost),
            "lines": [line_fields(line) for line in lines],
            "matched_model": cost.priced_model,
            "source": cost.price_source,
            "reason": cost.note,
        }
        typer.echo(msgspec.json.encode(row).decode())


def _print_tables(found: "list[tuple[str, Price, list[PriceLine]]]") -> None:
    from rich.console import Console

    from modelmeter.cli.figures import inert
    from modelmeter.cli.price_lines import lines_table
    from modelmeter.record import usd_text

    console = Console(highlight=False)
    for model, cost, lines in found:
        if cost.price_source is None:
            console.print(f"{inert(model)}: {cost.note}", markup=False)
            continue
        console.print(lines_table(inert(model), lines, usd_text(cost.cost)))
        for text in (cost.price_source, cost.note):
            if text:
                console.print(text, markup=False, soft_wrap=True)
