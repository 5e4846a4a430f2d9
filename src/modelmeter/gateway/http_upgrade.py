"""Requests that offer to go on in another protocol: which are refused, how others are read."""

from modelmeter.gateway.asgi import Headers

__all__ = ["asks_for_a_tunnel", "head_without_upgrade"]

_UPGRADE = b"upgrade"
_WEBSOCKET = b"websocket"


def asks_for_a_tunnel(method: bytes, headers: Headers) -> bool:
    """What follows the head would be no HTTP: CONNECT, or a caller that speaks WebSocket only."""
    return method == b"CONNECT" or any(
        token.strip() == _WEBSOCKET
        for name, value in headers
        if name == _UPGRADE
        for token in value.lower().split(b",")
    )


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """
    The head of a request whose offer to upgrade is ignored, as RFC 9110, 7.8 allows.

    All parts are as a strict parser gave them, so none holds a line break. ``connection`` stays
    as it came: without ``upgrade`` its tokens ask for nothing, but name what goes no further.
    """
    lines = [b"%b: %b\r\n" % line for line in headers if line[0] != _UPGRADE]
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), b"".join(lines))
