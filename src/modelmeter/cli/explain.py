"""``modelmeter explain``: why a call cost what it cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from modelmeter.ledger.explanation import Bill, Explanation

__all__ = ["explain"]


def explain(
    call_id: Annotated[str, typer.Argument(help="As in x-modelmeter-call-id, or `calls --json`.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """Show a call's bill line by line, as it was and as it was corrected, from the ledger alone."""
    import contextlib
    from zoneinfo import ZoneInfo

    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.explanation import explain as read_bills
    from modelmeter.ledger.read_only import connect_reader

    settings = settings_of(config)
    path = ledger or settings.ledger
    with contextlib.closing(connect_reader(path)) as connection:
        found = read_bills(connection, call_id)
    if found is None:
        raise SettingsError(f"the ledger {path} has no call {call_id!r}")
    if as_json:
        typer.echo(_json(found))
    else:
        _print(found, ZoneInfo(settings.time_zone))


def _json(found: "Explanation") -> str:
    import msgspec

    from modelmeter.pricing.rates import line_fields
    from modelmeter.record import usd_text

    call = msgspec.to_builtins(found)
    call["bills"] = [
        {
            "known_at_ns": bill.known_at_ns,
            "cost_usd": usd_text(bill.cost),
            "cost_saved_usd": usd_text(bill.cost_saved),
            "cost_state": bill.cost_state,
            "lines": [line_fields(line) for line in bill.lines],
            "matched_model": bill.priced_model,
            "source": bill.price_source,
            "since": bill.price_since,
            "tier": bill.tier,
            "region": bill.region,
            "reason": bill.note,
        }
        for bill in found.bills
    ]
    return msgspec.json.encode(call).decode()


def _print(found: "Explanation", zone: "ZoneInfo") -> None:
    from datetime import UTC, datetime

    from rich.console import Console

    from modelmeter.cli.figures import inert

    def day_of(ns: int) -> str:
        moment = datetime.fromtimestamp(ns // 10**9, UTC).astimezone(zone)
        return f"{moment:%Y-%m-%d %H:%M:%S %Z}"

    console = Console(highlight=False)
    asked = f", asked instead of {inert(found.model_requested)}" if found.model_requested else ""
    answered = f", answered by {inert(found.model_answered)}" if found.model_answered else ""
    console.print(
        f"{inert(found.call_id)}: {found.provider} {inert(found.model)}{asked}{answered}, "
        f"{day_of(found.started_at_ns)}",
        markup=False,
        soft_wrap=True,
    )
    for bill in found.bills:
        known = bill.known_at_ns
        heading = "as entered" if known is None else f"corrected at {day_of(known)}"
        _print_bill(console, bill, f"{heading}, {bill.cost_state}")


def _print_bill(console: "Console", bill: "Bill", title: str) -> None:
    from modelmeter.cli.price_lines import lines_table
    from modelmeter.record import usd_text

    total = bill.cost or bill.cost_saved
    console.print(lines_table(title, bill.lines, usd_text(total)))
    if bill.cost_saved:
        console.print("Answered from the cache: the total is what that saved.")
    for text in (bill.price_source, bill.note):
        if text:
            console.print(text, markup=False, soft_wrap=True)
