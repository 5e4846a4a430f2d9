"""The panels' definition, as the page draws them."""

import msgspec

from modelmeter.metrics.panels import PANELS

__all__ = ["panels_answer"]


def panels_answer(time_zone: str) -> bytes:
    """JSON: the panels in their order, and the zone that the configuration names."""
    return msgspec.json.encode({"panels": PANELS, "time_zone": time_zone})
