"""Stands before every path of the web side: who may look, decided on the path as it came."""

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from modelmeter.web.access import Viewer
from modelmeter.web.failures import error_response
from modelmeter.web.routes import VIEWER_KEY

__all__ = ["Guard"]

_EVERYTHING = Viewer()


class Guard:
    """Lets through whoever may read; without keys that is everybody on this machine."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """``app`` behind this guard."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            # A site elsewhere can have its name point here; it then asks by that name.
            if not _names_this_machine(Headers(scope=scope).get("host", "")):
                refusal = error_response(
                    421, "host_not_allowed", "without keys the page answers at localhost only"
                )
                await refusal(scope, receive, send)
                return
            scope[VIEWER_KEY] = _EVERYTHING
            await app(scope, receive, send)

        return guarded


def _names_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
