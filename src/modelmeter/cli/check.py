"""``modelmeter check``: from the gateway to Grafana, what works and what to do about the rest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmeter.cli.grafana_token import TOKEN_PLACE

if TYPE_CHECKING:
    from modelmeter.dashboards.finding import Finding

__all__ = ["check"]

_FOUND_WRONG = 1
_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def check(
    gateway: Annotated[
        str | None, typer.Option(help="Its address; without it the configuration's.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Of a gateway with keys one with scope read: env:NAME or file:PATH."),
    ] = None,
    prometheus: Annotated[str, typer.Option(help="Its address.")] = "http://127.0.0.1:9090",
    grafana: Annotated[
        str | None, typer.Option(help="Its address; without it Grafana is not looked at.")
    ] = None,
    token: Annotated[
        str, typer.Option(help="Of a Grafana service account: env:NAME or file:PATH.")
    ] = TOKEN_PLACE,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: an object a line.")
    ] = False,
) -> None:
    """
    Find out why no data shows: gateway, ledger, metrics, Prometheus, Grafana, prices.

    Ends with status 1 if anything is wrong; a warning is not.
    """
    from datetime import UTC, datetime

    import msgspec
    from rich.console import Console

    from modelmeter.cli.grafana_token import grafana_token
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.dashboards.diagnosis import diagnose
    from modelmeter.dashboards.grafana_api import GrafanaApi
    from modelmeter.dashboards.web_pages import WebPages

    settings = settings_of(config)
    found_wrong = False
    console = Console(highlight=False)
    findings = diagnose(
        WebPages(gateway or f"http://{settings.listen}", _shown(key)),
        WebPages(prometheus),
        None if grafana is None else GrafanaApi(grafana, grafana_token(token)),
        today=datetime.now(UTC).date(),
    )
    for finding in findings:
        found_wrong = found_wrong or finding.state == "wrong"
        if as_json:
            typer.echo(msgspec.json.encode(finding))
        else:
            console.print(_line(finding), soft_wrap=True)
    if found_wrong:
        raise typer.Exit(_FOUND_WRONG)


def _shown(key: str | None) -> dict[str, str]:
    """The header that shows a gateway key; what it refers to, for others can read arguments."""
    import os

    from modelmeter.settings.secrets import secret_value

    return {} if key is None else {"x-modelmeter-key": secret_value(key, os.environ, Path())}


def _line(finding: "Finding") -> str:
    from rich.markup import escape

    from modelmeter.cli.figures import inert

    colour = _COLOURS[finding.state]
    line = f"[{colour}]{finding.state:>7}[/]  {finding.name}: {escape(inert(finding.said))}"
    return f"{line}\n         {escape(finding.do)}" if finding.do else line
