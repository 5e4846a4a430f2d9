"""``modelmeter annotate``: a mark on the dashboards of a Grafana, such as a deployment."""

from typing import Annotated

import typer

from modelmeter.cli.grafana_token import TOKEN_PLACE

__all__ = ["annotate"]


def annotate(
    grafana: Annotated[
        str | None, typer.Option(help="Its address; without it the configuration's.")
    ] = None,
    deployment: Annotated[
        str | None, typer.Option(help="The version that was deployed, such as v1.2.3.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What to say, instead or in addition.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Further tags.")] = None,
    at: Annotated[str | None, typer.Option(help="ISO time with its zone; else now.")] = None,
    token: Annotated[
        str, typer.Option(help="A service account's token: env:NAME or file:PATH.")
    ] = TOKEN_PLACE,
) -> None:
    """
    Post a mark to Grafana's annotations.

    The dashboard draws what is tagged deployment, budget or alert. A deployment needs this only
    where the gateway does not tell its version itself (version in the configuration).
    """
    from modelmeter.alerts.annotations import Annotation, post_annotation
    from modelmeter.cli.grafana_token import grafana_token
    from modelmeter.dashboards.grafana_api import GrafanaApi
    from modelmeter.errors import SettingsError

    if deployment is None and text is None:
        raise SettingsError("say what happened: --deployment VERSION or --text TEXT")
    if deployment is None and not tag:
        raise SettingsError("a mark is found by its tags: give --tag deployment, budget or alert")
    url, secret = _configured() if grafana is None else (grafana, grafana_token(token))
    words = [f"Deployment of {deployment}"] if deployment is not None else []
    tags = ["deployment", deployment] if deployment is not None else []
    mark = Annotation(
        text=". ".join([*words, *([text] if text is not None else [])]),
        tags=[*tags, *(tag or [])],
        at_ns=_moment_ns(at),
    )
    post_annotation(GrafanaApi(url, secret).url, secret, mark)
    typer.echo(f"{mark.text} [{', '.join(mark.tags)}]")


def _configured() -> tuple[str, str]:
    """Address and token of [notifications.grafana]."""
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.errors import SettingsError

    grafana = settings_of(None, secrets=["grafana"]).notifications.grafana
    if grafana is None:
        raise SettingsError("give --grafana URL, or [notifications.grafana] in the configuration")
    return grafana.url, grafana.token.get_secret_value()


def _moment_ns(at: str | None) -> int:
    import time
    from datetime import datetime

    from modelmeter.errors import SettingsError

    if at is None:
        return time.time_ns()
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise SettingsError(f"{at!r} is no ISO time") from error
    if moment.tzinfo is None:
        raise SettingsError(f"{at!r} has no time zone: add Z or +02:00")
    return int(moment.timestamp() * 1000) * 1_000_000
