"""Who may look, and at whose calls."""

from collections.abc import Sequence

import msgspec

from modelmeter.errors import RefusedRequestError

__all__ = ["VIEWER_KEY", "Viewer"]

VIEWER_KEY = "modelmeter.viewer"
"""Where a request's scope holds its `Viewer`."""


class Viewer(msgspec.Struct, frozen=True):
    """Somebody who may read; with a tenant, that tenant's calls and nothing else."""

    tenant_id: str | None = None

    def tenants(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """
        The tenants to read for a question about ``wanted``; empty: all.

        Raises:
            RefusedRequestError: one of them is not this viewer's (403).
        """
        if self.tenant_id is None:
            return tuple(wanted)
        if any(tenant != self.tenant_id for tenant in wanted):
            raise RefusedRequestError(
                "this key may not read another tenant's calls",
                code="tenant_not_allowed",
                http_status=403,
            )
        return (self.tenant_id,)
