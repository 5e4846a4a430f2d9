"""The commands: a file a verb."""

import sys

import typer

from modelmeter.cli import calls as calls_verb
from modelmeter.cli import demo as demo_verb
from modelmeter.cli import key as key_verb
from modelmeter.cli import report as report_verb
from modelmeter.cli import serve as serve_verb
from modelmeter.errors import ModelmeterError

__all__ = ["app", "main"]

app = typer.Typer(
    name="modelmeter",
    help="Meters every LLM call of a platform: who called, which model, how many tokens, how "
    "long, what it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo_verb.demo)
app.command("serve")(serve_verb.serve)
app.command("report")(report_verb.report)
app.command("calls")(calls_verb.calls)
app.add_typer(key_verb.app, name="key")


def main() -> None:
    """Run a command; an error modelmeter raises on purpose is one line and exit status 2."""
    try:
        app()
    except ModelmeterError as error:
        sys.stderr.write(f"modelmeter: {error}\n")
        sys.exit(2)
