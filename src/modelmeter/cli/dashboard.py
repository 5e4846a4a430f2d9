"""``modelmeter dashboard``: the Grafana dashboard in any shape, and the way to put it there."""

from typing import Annotated

import typer

from modelmeter.cli.grafana_token import TOKEN_PLACE

__all__ = ["app"]

app = typer.Typer(
    help="The LLM Usage Dashboard for Grafana.", invoke_without_command=True, rich_markup_mode=None
)

DailyUsd = Annotated[
    float, typer.Option("--daily-usd", min=0.01, help="The day's limit that colours the cost.")
]
PageUrl = Annotated[str, typer.Option("--page-url", help="The gateway's own page, for a link.")]
RunbooksUrl = Annotated[
    str, typer.Option("--runbooks-url", help="Where the runbooks are published, for a link.")
]


@app.callback()
def dashboard(
    context: typer.Context,
    shape: Annotated[
        str,
        typer.Option(
            help="any: for the API's curl and for import; bare: for provisioning and import; "
            "wrapped: for the API."
        ),
    ] = "any",
    daily_usd: DailyUsd = 100,
    page_url: PageUrl = "http://127.0.0.1:4000/",
    runbooks_url: RunbooksUrl = "",
) -> None:
    """Print the dashboard's JSON."""
    if context.invoked_subcommand is not None:
        return
    from modelmeter.dashboards.dashboard import DashboardOptions, dashboard_json
    from modelmeter.dashboards.shapes import SHAPES, as_text
    from modelmeter.errors import SettingsError

    if shape not in SHAPES:
        raise SettingsError(f"no such shape {shape!r}: give {', '.join(SHAPES)}")
    options = DashboardOptions(daily_usd=daily_usd, page_url=page_url, runbooks_url=runbooks_url)
    typer.echo(as_text(SHAPES[shape](dashboard_json(options))), nl=False)


@app.command()
def rules(
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="As a PrometheusRule for the operator.")
    ] = False,
    runbooks_url: Annotated[
        str, typer.Option("--runbooks-url", help="Where docs/runbooks is published.")
    ] = "",
) -> None:
    """Print the recording and alert rules for Prometheus."""
    from modelmeter.dashboards.rules import kubernetes_rules, rules_text

    text = rules_text(runbooks_url)
    typer.echo(kubernetes_rules(text) if kubernetes else text, nl=False)


@app.command()
def push(
    grafana: Annotated[str, typer.Option(help="Its address, such as http://localhost:3000.")],
    token: Annotated[
        str, typer.Option(help="A service account's token: env:NAME or file:PATH.")
    ] = TOKEN_PLACE,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Prometheus, as Grafana reaches it; for a data source if it has none."),
    ] = None,
    folder: Annotated[str, typer.Option(help="The folder's title.")] = "LLM",
    scrape_interval_seconds: Annotated[
        float, typer.Option(min=0.1, help="Prometheus' own, for a new data source.")
    ] = 15,
    daily_usd: DailyUsd = 100,
    page_url: PageUrl = "http://127.0.0.1:4000/",
    runbooks_url: RunbooksUrl = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Put folder, data source and dashboard into a Grafana; again and again, as you like."""
    import msgspec
    from rich.console import Console

    from modelmeter.cli.grafana_token import grafana_token
    from modelmeter.dashboards.dashboard import DashboardOptions, dashboard_json
    from modelmeter.dashboards.grafana_api import GrafanaApi
    from modelmeter.dashboards.push import push_dashboard

    options = DashboardOptions(daily_usd=daily_usd, page_url=page_url, runbooks_url=runbooks_url)
    done = push_dashboard(
        GrafanaApi(grafana, grafana_token(token)),
        dashboard_json(options),
        folder_title=folder,
        prometheus_url=prometheus,
        scrape_interval_seconds=scrape_interval_seconds,
    )
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    console = Console(highlight=False)
    console.print(f"folder {folder}: {done.folder}", markup=False)
    console.print(f"data source: {done.data_source}", markup=False)
    console.print(f"dashboard: {done.dashboard_url}", markup=False, soft_wrap=True)
