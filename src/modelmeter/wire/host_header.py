"""What a request's Host header may say where no key tells who asks."""

import ipaddress

from modelmeter.errors import RefusedRequestError

__all__ = ["require_own_name"]


def require_own_name(host: str, *, shown: str) -> None:
    """
    Check that a request asks by a name that only this machine has for itself.

    A site elsewhere can have its name point to loopback; its visitor's browser then asks by that
    name, and would let the site read the answer.

    Raises:
        RefusedRequestError: it asks by another name (421); ``shown`` says for what.
    """
    if not _names_this_machine(host):
        raise RefusedRequestError(
            f"without keys {shown} at localhost only", code="host_not_allowed", http_status=421
        )


def _names_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
