"""Which configuration a command goes by, which ledger it reads, in which time zone it thinks."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelmeter.settings.model import Settings
    from modelmeter.settings.secrets import SecretsOf

__all__ = ["ledger_and_zone", "settings_of"]


def settings_of(
    config: Path | None, *, prices: bool = False, secrets: "Collection[SecretsOf]" = ()
) -> "Settings":
    """
    The settings of ``--config``, else of MODELMETER_CONFIG, else the defaults.

    For a command that prices, ``prices``: overrides are checked against the catalogue. Of the
    secrets only those are looked up that the command uses: whoever reads a ledger need not know a
    provider's key.

    Raises:
        SettingsError: the configuration cannot be used.
    """
    from modelmeter.settings.load import load_settings

    environment = dict(os.environ)
    if config is None and environment.get("MODELMETER_CONFIG"):
        config = Path(environment["MODELMETER_CONFIG"])
    if not prices:
        return load_settings(config, environment, secrets=secrets)
    from modelmeter.wiring import wrong_overrides

    return load_settings(config, environment, check=wrong_overrides, secrets=secrets)


def ledger_and_zone(ledger: Path | None, config: Path | None) -> tuple[Path, str]:
    """
    ``--ledger``, else that of the configuration or MODELMETER_LEDGER, and the time zone.

    Raises:
        SettingsError: the configuration cannot be used.
    """
    settings = settings_of(config)
    return ledger or settings.ledger, settings.time_zone
