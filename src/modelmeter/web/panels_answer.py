"""What the page draws, and for whom."""

import msgspec

from modelmeter.metrics.panels import PANELS
from modelmeter.web.access import Viewer

__all__ = ["panels_answer"]


def panels_answer(time_zone: str, viewer: Viewer, *, signed_in: bool) -> bytes:
    """
    JSON: the panels in their order, the zone that the configuration names, and who looks.

    Args:
        time_zone: of the configuration.
        viewer: whoever asks.
        signed_in: whether a session can be ended.
    """
    return msgspec.json.encode(
        {
            "panels": PANELS,
            "time_zone": time_zone,
            "tenant": viewer.tenant_id,
            "signed_in": signed_in,
        }
    )
