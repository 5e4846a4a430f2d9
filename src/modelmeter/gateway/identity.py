"""Who is calling: from a gateway key where keys are configured, else from what the caller says."""

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from modelmeter.errors import RefusedRequestError
from modelmeter.record import UNKNOWN_AGENT, Caller, Teams
from modelmeter.settings.keys import KeyRing
from modelmeter.settings.model import KeySettings, Settings
from modelmeter.wire.header_rules import clean_identifier

__all__ = ["GATEWAY_KEY_PREFIX", "INVALID_KEY_CODE", "Identity", "credentials", "strip_credentials"]

INVALID_KEY_CODE = "invalid_gateway_key"
GATEWAY_KEY_PREFIX = b"mm-"
IDENTITIES_MAX = 4096
"""Callers remembered by the exact bytes of their headers; then the memory starts anew."""

_IDENTITY_HEADERS = frozenset({b"x-agent-id", b"x-team", b"x-tenant-id"})
_KEY_HEADER = b"x-modelmeter-key"
_CREDENTIAL_HEADERS = frozenset(
    {_KEY_HEADER, b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"}
)
_READ_HEADERS = _IDENTITY_HEADERS | _CREDENTIAL_HEADERS
_BEARER = b"bearer "
_KEY_BYTES_MAX = 512

Headers = Sequence[tuple[bytes, bytes]]


def credentials(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The keys and tokens of the caller."""
    return [header for header in headers if header[0] in _CREDENTIAL_HEADERS]


def strip_credentials(headers: Headers) -> list[tuple[bytes, bytes]]:
    """``headers`` without any key or token of the caller."""
    return [header for header in headers if header[0] not in _CREDENTIAL_HEADERS]


class Identity:
    """Decides who a request's caller is. Header names come in lower case."""

    def __init__(self, settings: Settings) -> None:
        self._teams = Teams(settings.teams)
        self._keys = KeyRing(settings.keys)
        self._known: dict[Headers, tuple[Caller, datetime | None]] = {}

    @property
    def has_keys(self) -> bool:
        """Callers need a gateway key."""
        return bool(self._keys)

    def identify(self, headers: Headers, now: datetime) -> Caller:
        """
        The caller behind a request.

        Raises:
            RefusedRequestError: a name that cannot be used (400), no valid gateway key where
                one is needed (401), or a name the key does not allow (403).
        """
        said = tuple(header for header in headers if header[0] in _READ_HEADERS)
        known = self._known.get(said)
        if known is not None and (known[1] is None or now < known[1]):
            return known[0]
        names = _names(said)
        if self._keys:
            key = self._key(said, now)
            caller, ends = self._caller_of_key(key, names), key.expires_at
        else:
            caller, ends = self._caller(names), None
        if len(self._known) >= IDENTITIES_MAX:
            self._known.clear()
        self._known[said] = caller, ends
        return caller

    def check_reader(self, headers: Headers, now: datetime) -> None:
        """
        Let through who may read what is everybody's, such as the metrics, where keys are needed.

        Raises:
            RefusedRequestError: no valid gateway key where one is needed (401), or one that may
                not read, or may read one tenant's only (403).
        """
        said = tuple(header for header in headers if header[0] in _CREDENTIAL_HEADERS)
        key = self._keys.by_secret(_gateway_key(said), now)
        if key is None:
            raise _invalid_key()
        if "read" not in key.scopes or key.tenant_id:
            raise RefusedRequestError(
                "this needs a gateway key with the scope `read` and without a tenant",
                code="key_scope",
                http_status=403,
            )

    def _caller(self, names: dict[bytes, str]) -> Caller:
        agent = names.get(b"x-agent-id", UNKNOWN_AGENT)
        team = names.get(b"x-team") or self._teams.of(agent)
        return Caller(agent_id=agent, team=team, tenant_id=names.get(b"x-tenant-id", ""))

    def _caller_of_key(self, key: KeySettings, names: dict[bytes, str]) -> Caller:
        agent = names.get(b"x-agent-id", UNKNOWN_AGENT)
        # Whose agents are limited would leave their teams by naming another, or no agent.
        names_team = any(not glob.strip("*") for glob in key.agents)
        said_team = names.get(b"x-team") if names_team else None
        team = key.team or said_team or self._teams.of(agent)
        may_be_nobody = key.team is not None and agent == UNKNOWN_AGENT
        if not may_be_nobody and not any(fnmatchcase(agent, glob) for glob in key.agents):
            raise _not_allowed("agent", agent) if b"x-agent-id" in names else _agent_wanted()
        if names.get(b"x-team", team) != team:
            raise _not_allowed("team", names[b"x-team"])
        if names.get(b"x-tenant-id", key.tenant_id) != key.tenant_id:
            raise _not_allowed("tenant", names[b"x-tenant-id"])
        return Caller(agent_id=agent, team=team, tenant_id=key.tenant_id, key_id=key.id)

    def _key(self, said: Headers, now: datetime) -> KeySettings:
        secret = _gateway_key(said)
        key = self._keys.by_secret(secret, now)
        if key is None:
            raise _invalid_key()
        if "call" not in key.scopes:
            raise RefusedRequestError(
                "this gateway key may not make calls", code="key_scope", http_status=403
            )
        return key


def _names(said: Headers) -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for name, value in said:
        if name not in _IDENTITY_HEADERS:
            continue
        text = clean_identifier(value)
        if text is None or name in names:
            raise RefusedRequestError(
                f"{name.decode()} must be given once, with 1 to 128 printable characters",
                code="invalid_identity",
            )
        names[name] = text
    return names


def _gateway_key(said: Headers) -> bytes:
    candidates = []
    for name, value in said:
        if name not in _CREDENTIAL_HEADERS:
            continue
        bare = value[len(_BEARER) :] if value[: len(_BEARER)].lower() == _BEARER else value
        if bare.startswith(GATEWAY_KEY_PREFIX) and len(bare) <= _KEY_BYTES_MAX:
            if name == _KEY_HEADER:
                return bare
            candidates.append(bare)
    if not candidates:
        raise _invalid_key()
    return candidates[0]


def _invalid_key() -> RefusedRequestError:
    return RefusedRequestError(
        "a valid gateway key (mm-…) is needed", code=INVALID_KEY_CODE, http_status=401
    )


def _agent_wanted() -> RefusedRequestError:
    return RefusedRequestError(
        "this gateway key calls for certain agents only: say which one in the header x-agent-id",
        code="not_allowed",
        http_status=403,
    )


def _not_allowed(what: str, name: str) -> RefusedRequestError:
    return RefusedRequestError(
        f"this gateway key may not call for {what} {name!r}", code="not_allowed", http_status=403
    )
