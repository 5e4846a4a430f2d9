"""The commands: a file a verb."""

import sys
from typing import Annotated

import typer

from modelmeter import __version__
from modelmeter.cli.annotate import annotate
from modelmeter.cli.budget import app as budget_app
from modelmeter.cli.cache import app as cache_app
from modelmeter.cli.calls import calls
from modelmeter.cli.check import check
from modelmeter.cli.dashboard import app as dashboard_app
from modelmeter.cli.demo import demo
from modelmeter.cli.explain import explain
from modelmeter.cli.export_calls import export_calls
from modelmeter.cli.import_calls import import_calls
from modelmeter.cli.key import app as key_app
from modelmeter.cli.price import price
from modelmeter.cli.prices import app as prices_app
from modelmeter.cli.report import report
from modelmeter.cli.reprice import reprice
from modelmeter.cli.serve import serve
from modelmeter.errors import ModelmeterError

__all__ = ["app", "main"]

app = typer.Typer(
    name="modelmeter",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"modelmeter {__version__}")
        raise typer.Exit


@app.callback()
def modelmeter(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """
    Meter every LLM call of a platform.

    Who called, which model, how many tokens, how long, what it cost.
    """


app.command("demo")(demo)
app.command("serve")(serve)
app.command("report")(report)
app.command("calls")(calls)
app.command("explain", no_args_is_help=True)(explain)
app.command("price", no_args_is_help=True)(price)
app.command("reprice", no_args_is_help=True)(reprice)
app.add_typer(budget_app, name="budget")
app.add_typer(cache_app, name="cache")
app.add_typer(key_app, name="key")
app.add_typer(prices_app, name="prices")
app.add_typer(dashboard_app, name="dashboard")
app.command("annotate")(annotate)
app.command("check")(check)
app.command("export")(export_calls)
app.command("import", no_args_is_help=True)(import_calls)


def main() -> None:
    """Run a command; an error modelmeter raises on purpose is one line and exit status 2."""
    try:
        app()
    except ModelmeterError as error:
        sys.stderr.write(f"modelmeter: {error}\n")
        sys.exit(2)
