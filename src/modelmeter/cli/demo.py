"""``modelmeter demo``: providers, gateway and agents in one process, and what they spend, live."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End by itself; without it: on Ctrl-C.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the gateway listens.")] = 4000,
    history: Annotated[
        str | None, typer.Option(help="First fill the ledger with a past, such as 30d.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same traffic.")] = 7,
    opens_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the page, at a terminal with a desktop."),
    ] = True,
    ledger: Annotated[
        Path | None, typer.Option(help="The ledger's file; without it one in a temporary folder.")
    ] = None,
) -> None:
    """
    Show modelmeter at work: simulated providers, the gateway, a dozen agents calling.

    Nothing to sign up for: no call leaves this machine.
    """
    import tempfile

    import uvloop

    from modelmeter.cli.demonstration import Demonstration

    if ledger is None:
        ledger = Path(tempfile.mkdtemp(prefix="mm-demo-")) / "demo.db"
    days = None if history is None else _days(history)
    demonstration = Demonstration(ledger, port=port, seed=seed, opens_page=opens_page)
    uvloop.run(demonstration.run(seconds=seconds, days=days))


def _days(text: str) -> float:
    from modelmeter.errors import SettingsError

    number = text.removesuffix("d")
    if not number.isdigit() or not 1 <= int(number) <= 365:
        raise SettingsError(f"no such history {text!r}: give 1d to 365d")
    return float(number)
