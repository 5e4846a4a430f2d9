"""Puts the meter into a client of one of the SDKs."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakSet

import msgspec

from modelmeter.errors import SettingsError
from modelmeter.meter import Meter
from modelmeter.meter.bounding import Bounding
from modelmeter.providers import dialect_for
from modelmeter.record import Caller, Clock
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.wrapping.meter_door import MeterDoor

if TYPE_CHECKING:
    import httpx2

__all__ = ["WrapParts", "wrap_client"]

_T = TypeVar("_T")
_BEDROCK = "bedrock-runtime"
_ACCEPTED = (
    "OpenAI, AsyncOpenAI, Anthropic, AsyncAnthropic, google.genai.Client, or boto3's client of "
    "bedrock-runtime"
)


_metered_clients: WeakSet[object] = WeakSet()
"""A client that is metered twice would be entered twice."""


class WrapParts(msgspec.Struct, frozen=True):
    """Where wrapped clients are metered."""

    ledger: LedgerAccess
    meter: Callable[[], Meter]
    bounding: Callable[[], Bounding]
    clock: Clock


def wrap_client(client: _T, caller: Caller, provider: str | None, parts: WrapParts) -> _T:
    """
    A metered client: for OpenAI and Anthropic a copy of ``client``, else ``client`` itself.

    ``provider`` is the name in the ledger; None: that of the SDK.

    Raises:
        SettingsError: it is no client that can be metered, or it is metered already.
    """
    if client in _metered_clients:
        raise SettingsError(f"this {type(client).__name__} is metered already")
    for package, put in (
        ("openai", _openai),
        ("anthropic", _anthropic),
        ("google.genai", _genai),
        ("botocore", _boto3),
    ):
        # A client of a package that was never imported cannot be there.
        if package in sys.modules:
            wrapped = put(client, caller, provider, parts)
            if wrapped is not None:
                _metered_clients.add(wrapped)
                return cast(_T, wrapped)
    raise SettingsError(f"cannot meter a {type(client).__name__}; give {_ACCEPTED}")


def _door(
    kind: str, base_url: str, caller: Caller, provider: str | None, parts: WrapParts
) -> MeterDoor:
    return MeterDoor(
        caller=caller,
        provider=provider or kind,
        kind=kind,
        dialect=dialect_for(kind),
        base_path=urlsplit(base_url).path.rstrip("/"),
        meter=parts.meter,
        bounding=parts.bounding,
        clock=parts.clock,
    )


def _openai(
    client: object, caller: Caller, provider: str | None, parts: WrapParts
) -> object | None:
    import httpx2
    import openai

    if not isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
        return None
    door = _door("openai", str(client.base_url), caller, provider, parts)
    inner = _http_client(client)
    if isinstance(client, openai.OpenAI) and isinstance(inner, httpx2.Client):
        return client.copy(http_client=_metered(inner, door, parts))
    if isinstance(client, openai.AsyncOpenAI) and isinstance(inner, httpx2.AsyncClient):
        return client.copy(http_client=_async_metered(inner, door))
    raise _unknown_transport(inner)


def _anthropic(
    client: object, caller: Caller, provider: str | None, parts: WrapParts
) -> object | None:
    import anthropic
    import httpx2

    if not isinstance(client, anthropic.Anthropic | anthropic.AsyncAnthropic):
        return None
    door = _door("anthropic", str(client.base_url), caller, provider, parts)
    inner = _http_client(client)
    if isinstance(client, anthropic.Anthropic) and isinstance(inner, httpx2.Client):
        return client.copy(http_client=_metered(inner, door, parts))
    if isinstance(client, anthropic.AsyncAnthropic) and isinstance(inner, httpx2.AsyncClient):
        return client.copy(http_client=_async_metered(inner, door))
    raise _unknown_transport(inner)


def _genai(client: object, caller: Caller, provider: str | None, parts: WrapParts) -> object | None:
    """The SDK has no way to give a client another transport later, so its own are replaced."""
    import httpx2
    from google import genai

    if not isinstance(client, genai.Client):
        return None
    api = client._api_client  # noqa: SLF001 - see above
    door = _door("genai", api._http_options.base_url or "", caller, provider, parts)  # noqa: SLF001 - see above
    inner, async_inner = api._httpx_client, api._async_httpx_client  # noqa: SLF001 - see above
    if not isinstance(inner, httpx2.Client) or not isinstance(async_inner, httpx2.AsyncClient):
        raise _unknown_transport(inner)
    api._httpx_client = _metered(inner, door, parts)  # noqa: SLF001 - see above
    api._async_httpx_client = _async_metered(async_inner, door)  # noqa: SLF001 - see above
    # With a client of its user's, the SDK does not take aiohttp behind our back.
    api._http_options.httpx_async_client = api._async_httpx_client  # noqa: SLF001 - see above
    return client


def _boto3(client: object, caller: Caller, provider: str | None, parts: WrapParts) -> object | None:
    from botocore.client import BaseClient

    from modelmeter.service.wrapping.bedrock_client import BedrockMeter

    if not isinstance(client, BaseClient):
        return None
    if client.meta.service_model.service_name != _BEDROCK:
        return None
    door = _door("bedrock", client.meta.endpoint_url, caller, provider, parts)
    # Its connections, proxies and certificates are to be used; it has no public name.
    session = getattr(client, "_endpoint").http_session  # noqa: B009 - no attribute to the types
    meter = BedrockMeter(door, parts.ledger, session)
    # An answer that a handler gives is taken for the service's, which the types do not know.
    before_send: Callable[..., None] = cast("Callable[..., None]", meter.before_send)
    client.meta.events.register_first(f"before-sign.{_BEDROCK}", meter.before_sign)
    client.meta.events.register_last(f"before-send.{_BEDROCK}", before_send)
    return client


def _http_client(client: object) -> object:
    """The HTTP client of an SDK of OpenAI's or Anthropic's, which is to be used further."""
    return getattr(client, "_client", None)


def _metered(inner: "httpx2.Client", door: MeterDoor, parts: WrapParts) -> "httpx2.Client":
    import httpx2

    from modelmeter.service.wrapping.http_transport import MeteredTransport

    transport = MeteredTransport(inner, door, parts.ledger)
    return httpx2.Client(
        transport=transport,
        timeout=inner.timeout,
        # What its user had every request carry: SDKs have it added when they build one.
        headers=inner.headers,
        cookies=inner.cookies,
        params=inner.params,
    )


def _async_metered(inner: "httpx2.AsyncClient", door: MeterDoor) -> "httpx2.AsyncClient":
    import httpx2

    from modelmeter.service.wrapping.http_transport import AsyncMeteredTransport

    return httpx2.AsyncClient(
        transport=AsyncMeteredTransport(inner, door),
        timeout=inner.timeout,
        headers=inner.headers,
        cookies=inner.cookies,
        params=inner.params,
    )


def _unknown_transport(inner: object) -> SettingsError:
    return SettingsError(
        f"cannot meter a client that sends with {type(inner).__module__}.{type(inner).__name__}; "
        "only those that send with httpx2 can be"
    )
