"""The doors of the gateway: which path leads to which provider, and what goes upstream there."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import Dialect, dialect_for
from modelmeter.settings.model import ProviderSettings

__all__ = ["Door", "dialect_at", "doors_of", "find_door"]

_PATH = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*\Z")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CREDENTIAL_HEADERS = {
    "openai": b"authorization",
    "anthropic": b"x-api-key",
    "genai": b"x-goog-api-key",
}
_BUILT_IN = ("openai", "anthropic", "genai", "bedrock")
_OPENAIS_OWN = (b"v1", b"up")
"""How paths begin whose callers use OpenAI's SDK, whatever comes behind."""


class Door(msgspec.Struct, frozen=True):
    """One provider behind one prefix of the gateway's paths."""

    provider: str
    """The name in records and metrics."""
    kind: str
    dialect: Dialect
    base_url: str
    credential: tuple[bytes, bytes] | None
    """The header with the operator's own key for this provider, if one is configured."""
    region: str | None
    aws_profile: str | None

    @property
    def signs(self) -> bool:
        """Requests are signed with AWS credentials."""
        return self.kind == "bedrock" and self.credential is None

    def credential_header(self, key: bytes) -> tuple[bytes, bytes]:
        """The header in which this provider wants a key."""
        name = _CREDENTIAL_HEADERS.get(self.kind, b"authorization")
        return name, b"Bearer " + key if name == b"authorization" else key

    def url(self, path: str, query: bytes) -> str:
        """The upstream's address for a path behind this door."""
        suffix = f"?{query.decode('ascii')}" if query else ""
        return f"{self.base_url}{path}{suffix}"


def doors_of(providers: Mapping[str, ProviderSettings]) -> dict[bytes, Door]:
    """The doors by prefix: ``/openai/v1``, ``/anthropic``, …, ``/up/<name>/v1``."""
    doors = {}
    for name, settings in providers.items():
        kind = settings.kind
        prefix = f"/{name}" if name in _BUILT_IN else f"/up/{name}"
        if kind == "openai":
            prefix += "/v1"
        doors[prefix.encode()] = Door(
            provider=name,
            kind=kind,
            dialect=dialect_for(kind),
            base_url=settings.base_url,
            credential=_credential(settings),
            region=settings.region,
            aws_profile=settings.aws_profile,
        )
    return doors


def find_door(doors: Mapping[bytes, Door], raw_path: bytes) -> tuple[Door, str] | None:
    """
    The door a request's path names, and the path behind it; None if there is none.

    Raises:
        RefusedRequestError: the path tries to leave the upstream's base by dot segments,
            doubled slashes or escapes.
    """
    segments = raw_path.split(b"/", 4)
    for depth in (2, 3, 4):
        prefix = b"/".join(segments[:depth])
        door = doors.get(prefix)
        if door is not None and len(raw_path) > len(prefix):
            return door, _clean(raw_path[len(prefix) :])
    return None


def dialect_at(doors: Mapping[bytes, Door], target: bytes) -> Dialect | None:
    """
    The dialect in which whoever asks for ``target`` reads errors, be there a door or not.

    None: nothing tells, for it begins as no provider's path does.
    """
    segments = target.partition(b"?")[0].split(b"/", 4)
    for depth in (4, 3, 2):
        prefix = b"/".join(segments[:depth])
        door = doors.get(prefix) or doors.get(prefix + b"/v1")
        if door is not None:
            return door.dialect
    return dialect_for("openai") if segments[1:2] and segments[1] in _OPENAIS_OWN else None


def _clean(path: bytes) -> str:
    if not _PATH.match(path) or _ESCAPE.search(path):
        raise _unusable_path()
    if b"%" in path or b"/." in path or b"//" in path:
        decoded = unquote_to_bytes(path)
        if any(byte < 0x20 or byte == 0x7F or byte == 0x5C for byte in decoded):
            raise _unusable_path()
        segments = decoded.split(b"/")[1:]
        if any(segment in (b"", b".", b"..") for segment in segments[:-1]):
            raise _unusable_path()
        if segments[-1] in (b".", b".."):
            raise _unusable_path()
    return path.decode("ascii")


def _unusable_path() -> RefusedRequestError:
    return RefusedRequestError(
        "the path holds dot segments, doubled slashes or characters that no provider's API uses",
        code="invalid_path",
        http_status=400,
    )


def _credential(settings: ProviderSettings) -> tuple[bytes, bytes] | None:
    if settings.api_key is None:
        return None
    secret = settings.api_key.get_secret_value().encode()
    if settings.kind == "openai" and settings.api_key_header == "api-key":
        return b"api-key", secret
    name = _CREDENTIAL_HEADERS.get(settings.kind, b"authorization")
    return name, b"Bearer " + secret if name == b"authorization" else secret
