"""Which ledger a reading command reads, and in which time zone it thinks."""

import os
from pathlib import Path

__all__ = ["ledger_and_zone"]


def ledger_and_zone(ledger: Path | None, config: Path | None) -> tuple[Path, str]:
    """
    ``--ledger``, else that of ``--config`` or MODELMETER_CONFIG, MODELMETER_LEDGER, the default.

    Raises:
        SettingsError: the configuration cannot be used.
    """
    from modelmeter.settings.load import load_settings

    environment = dict(os.environ)
    if config is None and environment.get("MODELMETER_CONFIG"):
        config = Path(environment["MODELMETER_CONFIG"])
    settings = load_settings(config, environment)
    return ledger or settings.ledger, settings.time_zone
