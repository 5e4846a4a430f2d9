"""The token that a command sends to Grafana."""

import os
from pathlib import Path

__all__ = ["TOKEN_PLACE", "grafana_token"]

TOKEN_PLACE = "env:GRAFANA_TOKEN"
"""Where the token lies unless a command is told another place."""


def grafana_token(reference: str) -> str:
    """
    The token behind ``env:NAME`` or ``file:PATH``.

    Raises:
        SettingsError: it is no reference, or leads to nothing. A token itself is refused: other
            users of the machine can read a command's arguments.
    """
    from modelmeter.settings.secrets import secret_value

    return secret_value(reference, os.environ, Path())
