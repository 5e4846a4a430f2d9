"""``modelmeter budget``: what may be spent, by whom, and how it stands."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from modelmeter.cli.budget_sample import send_sample

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from modelmeter.budgets.budget import Budget

__all__ = ["app"]

app = typer.Typer(help="Budgets: what may be spent, by whom, in which time.", no_args_is_help=True)
app.command("test")(send_sample)

_T = TypeVar("_T")
_NAMED = {"limit_usd": "limit", "thresholds": "threshold"}
"""Settings whose option has another name."""
_SETTINGS = {
    'downgrade = { "model" = "cheaper model" }': "--downgrade MODEL=CHEAPER",
    'at_limit = "downgrade"': "--at-limit downgrade",
    'window = "rolling"': "--window rolling",
    "limit_usd": "--limit",
    "limit_tokens": "--limit-tokens",
    "limit_calls": "--limit-calls",
    "extra_until": "--extra-until",
    "extra": "--extra",
    "seconds": "--seconds",
}
"""How a fault of the configuration's names them, and how their option is written."""
LedgerOption = Annotated[Path | None, typer.Option(help="The ledger's file.")]
ConfigOption = Annotated[Path | None, typer.Option(help="The configuration's file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs; exact decimals.")]


@app.callback()
def budget() -> None:
    """Budgets: what may be spent, by whom, in which time."""


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="The budget to make, or to replace.")],
    tenant: Annotated[str | None, typer.Option(help="Whose calls count; default: all.")] = None,
    team: Annotated[str | None, typer.Option(help="As --tenant.")] = None,
    agent: Annotated[str | None, typer.Option(help="As --tenant; may end in *.")] = None,
    key: Annotated[str | None, typer.Option(help="The id of a gateway key.")] = None,
    provider: Annotated[str | None, typer.Option(help="As configured.")] = None,
    model: Annotated[str | None, typer.Option(help="As requested; may end in *.")] = None,
    window: Annotated[str, typer.Option(help="hour, day, week, month or rolling.")] = "day",
    seconds: Annotated[int | None, typer.Option(help="Length of a rolling window.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name; else as configured.")] = None,
    limit: Annotated[str | None, typer.Option(help="In USD, such as 50.00.")] = None,
    limit_tokens: Annotated[str | None, typer.Option(help="Instead of --limit.")] = None,
    limit_calls: Annotated[str | None, typer.Option(help="Instead of --limit.")] = None,
    threshold: Annotated[
        list[int] | None, typer.Option(help="Percent to tell at; default 50, 80 and 100.")
    ] = None,
    at_limit: Annotated[str, typer.Option(help="alert, block or downgrade.")] = "block",
    downgrade: Annotated[
        list[str] | None, typer.Option(help="MODEL=CHEAPER, with --at-limit downgrade.")
    ] = None,
    shadow: Annotated[bool, typer.Option(help="Only count what it would stop.")] = False,
    extra: Annotated[str | None, typer.Option(help="More, until --extra-until.")] = None,
    extra_until: Annotated[str | None, typer.Option(help="ISO time with its zone.")] = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
) -> None:
    """
    Set a budget; it holds from the next call of every process on the ledger.

    What was spent in its window before counts at once.
    """
    from modelmeter.budgets.definitions import set_budget

    given = {
        "name": name,
        "tenant": tenant,
        "team": team,
        "agent": agent,
        "key": key,
        "provider": provider,
        "model": model,
        "window": window,
        "seconds": seconds,
        "time_zone": time_zone,
        "limit_usd": limit,
        "limit_tokens": limit_tokens,
        "limit_calls": limit_calls,
        "thresholds": threshold or None,
        "at_limit": at_limit,
        "downgrade": _pairs(downgrade or []),
        "shadow": shadow,
        "extra": extra,
        "extra_until": extra_until,
    }
    path, made = _checked({field: v for field, v in given.items() if v is not None}, ledger, config)
    _change(path, lambda connection, now_ns: set_budget(connection, made, now_ns))
    _say(f"Budget {name} is set.", path, name)


@app.command("list")
def list_(
    as_json: JsonOption = False, ledger: LedgerOption = None, config: ConfigOption = None
) -> None:
    """Show all budgets and how they stand."""
    from modelmeter.budgets.details import budget_details, budget_record
    from modelmeter.budgets.state import budget_states
    from modelmeter.cli.budget_tables import print_budgets

    if as_json:
        found = _read(
            ledger,
            config,
            lambda connection, now_ns: budget_details(connection, now_ns, lambda _: True),
        )
        _print_json([budget_record(one) for one in found])
    else:
        print_budgets(_read(ledger, config, budget_states))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The budget.")],
    as_json: JsonOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show one budget: how it stands, who spends it, what it stopped."""
    from modelmeter.budgets.details import budget_details, budget_record
    from modelmeter.cli.budget_tables import print_details
    from modelmeter.errors import SettingsError

    found = _read(
        ledger,
        config,
        lambda connection, now_ns: budget_details(connection, now_ns, lambda one: one.name == name),
    )
    if not found:
        raise SettingsError(f"there is no budget {name!r}; see `modelmeter budget list`")
    if as_json:
        _print_json(budget_record(found[0]))
    else:
        print_details(found[0])


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The budget.")],
    ledger: LedgerOption = None,
    config: ConfigOption = None,
) -> None:
    """Forget a budget that was set by a command; what was spent stays in the ledger."""
    from modelmeter.budgets.definitions import remove_budget
    from modelmeter.cli.ledger_option import ledger_and_zone

    path, _ = ledger_and_zone(ledger, config)
    _change(path, lambda connection, _: remove_budget(connection, name))
    typer.echo(f"Budget {name} is gone.")


def _pairs(texts: list[str]) -> dict[str, str]:
    from modelmeter.errors import SettingsError

    pairs = {}
    for text in texts:
        model, equals, cheaper = text.partition("=")
        if not (model and equals and cheaper):
            raise SettingsError(f"--downgrade {text!r}: give MODEL=CHEAPER")
        pairs[model] = cheaper
    return pairs


def _checked(
    given: dict[str, object], ledger: Path | None, config: Path | None
) -> "tuple[Path, Budget]":
    """The ledger's path and the budget; SettingsError if a field is wrong."""
    import time

    from pydantic import ValidationError

    from modelmeter.budgets.budget import budget_of
    from modelmeter.budgets.models import dearer_models, doubtful_downgrades, unknown_models
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.errors import SettingsError
    from modelmeter.settings.budgets import BudgetSettings
    from modelmeter.settings.scope import wrong_names
    from modelmeter.wiring import price_book

    settings = settings_of(config)
    try:
        one = BudgetSettings.model_validate(given)
    except ValidationError as error:
        faults = [
            (fault["loc"], str(fault["msg"]).removeprefix("Value error, "))
            for fault in error.errors(include_url=False, include_input=False)
        ]
    else:
        key_ids = {key.id for key in settings.keys}
        wrong = [*wrong_names("budgets", [one], providers=settings.providers, key_ids=key_ids)]
        asked = ([one], settings.providers, price_book(settings), time.time_ns())
        wrong += [*unknown_models(*asked), *dearer_models(*asked)]
        for location, message in doubtful_downgrades(*asked):
            typer.echo(f"modelmeter: --downgrade {location[-1]}: {message}", err=True)
        faults = [(location[2:], message) for location, message in wrong]
        if one.extra_until is not None and one.extra_until.timestamp() <= time.time():
            faults.append((("extra_until",), "is over already: give a time to come"))
        if not faults:
            return ledger or settings.ledger, budget_of(one, time_zone=settings.time_zone)
    raise SettingsError(
        "\n".join(f"{_option(location)}{_in_options(message)}" for location, message in faults)
    )


def _option(location: tuple[str | int, ...]) -> str:
    """The option that sets a field."""
    if not location or location[0] == "name":
        return "" if not location else "NAME: "
    field = str(location[0])
    model = f" {location[1]}" if field == "downgrade" and len(location) > 1 else ""
    return f"--{_NAMED.get(field, field).replace('_', '-')}{model}: "


def _in_options(message: str) -> str:
    """What is wrong with several settings at once, by the names of their options."""
    for setting, option in _SETTINGS.items():
        message = re.sub(rf"(?<![\w-]){setting}(?!\w)", option, message)
    return message


def _change(path: Path, change: "Callable[[sqlite3.Connection, int], None]") -> None:
    import sqlite3
    import time
    from contextlib import closing

    from modelmeter.errors import LedgerUnavailableError
    from modelmeter.ledger.database import connect_writer

    with closing(connect_writer(path)) as connection:
        try:
            change(connection, time.time_ns())
        except sqlite3.Error as error:
            raise LedgerUnavailableError(f"cannot write the ledger {path}: {error}") from error


def _read(
    ledger: Path | None, config: Path | None, read: "Callable[[sqlite3.Connection, int], _T]"
) -> _T:
    import time
    from contextlib import closing

    from modelmeter.cli.ledger_option import ledger_and_zone
    from modelmeter.ledger.read_only import connect_reader

    path, _ = ledger_and_zone(ledger, config)
    with closing(connect_reader(path)) as connection:
        return read(connection, time.time_ns())


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


def _say(text: str, path: Path, name: str) -> None:
    import time
    from contextlib import closing

    from modelmeter.budgets.state import budget_states
    from modelmeter.cli.budget_tables import print_budgets
    from modelmeter.ledger.read_only import connect_reader

    typer.echo(text)
    with closing(connect_reader(path)) as connection:
        states = budget_states(connection, time.time_ns())
    print_budgets([state for state in states if state.name == name])
