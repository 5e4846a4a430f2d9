"""The part of ASGI that the simulator speaks: https://asgi.readthedocs.io/en/latest/specs/www.html."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NotRequired, TypedDict

from modelmeter.simulator.exchange import Headers

__all__ = ["HttpScope", "Message", "Receive", "Send"]


class HttpScope(TypedDict):
    """What is known of a request before its body."""

    type: str
    method: str
    path: str
    raw_path: NotRequired[bytes]
    query_string: bytes
    headers: Sequence[tuple[bytes, bytes]]


class Message(TypedDict):
    """A part of a request or of a response."""

    type: str
    body: NotRequired[bytes]
    more_body: NotRequired[bool]
    status: NotRequired[int]
    headers: NotRequired[Headers]


Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
