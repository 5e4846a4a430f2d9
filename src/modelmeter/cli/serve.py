"""``modelmeter serve``: the gateway, until it is stopped."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["serve"]

_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def serve(
    config: Annotated[
        Path | None,
        typer.Option(help="The TOML file; without it: MODELMETER_CONFIG, else defaults."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of the configuration's.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="The ledger's file, instead of the configuration's.")
    ] = None,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning, error or critical.")
    ] = "warning",
) -> None:
    """
    Run the gateway in front of the configured providers.

    Point an SDK's base URL at it: /openai/v1, /anthropic, /genai, /bedrock, /up/NAME/v1.
    Metrics are at /metrics, health at /healthz and /readyz.
    """
    import os

    from modelmeter.errors import SettingsError

    if log_level.lower() not in _LOG_LEVELS:
        raise SettingsError(
            f"no such log level {log_level!r}: give one of {', '.join(_LOG_LEVELS)}"
        )
    from modelmeter.cli.serving import serve_until_stopped
    from modelmeter.settings.load import load_settings
    from modelmeter.wiring import faults_of_settings

    environment = dict(os.environ)
    if config is None and environment.get("MODELMETER_CONFIG"):
        config = Path(environment["MODELMETER_CONFIG"])
    options = {"listen": listen, "ledger": None if ledger is None else str(ledger)}
    settings = load_settings(config, environment, options=options, check=faults_of_settings)
    serve_until_stopped(settings, log_level=log_level)
