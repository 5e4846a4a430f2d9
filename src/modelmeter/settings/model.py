"""The settings of a gateway: one frozen object, checked as a whole."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from modelmeter.settings.budgets import BUDGETS_MAX, BudgetingSettings, BudgetSettings
from modelmeter.settings.cache import CacheSettings
from modelmeter.settings.limits import Limits
from modelmeter.settings.notifications import NotificationSettings
from modelmeter.settings.prices import PriceSettings
from modelmeter.settings.routing import RouteSettings, RoutingSettings
from modelmeter.settings.throttles import THROTTLES_MAX, ThrottleSettings

__all__ = ["BUILT_IN_PROVIDERS", "KeySettings", "ProviderSettings", "Settings"]

Kind = Literal["openai", "anthropic", "genai", "bedrock"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Glob = Annotated[str, Field(min_length=1, max_length=128)]

BUILT_IN_PROVIDERS: dict[str, dict[str, str]] = {
    "openai": {"kind": "openai", "base_url": "https://api.openai.com/v1"},
    "anthropic": {"kind": "anthropic", "base_url": "https://api.anthropic.com"},
    "genai": {"kind": "genai", "base_url": "https://generativelanguage.googleapis.com"},
    "bedrock": {
        "kind": "bedrock",
        "base_url": "https://bedrock-runtime.us-east-1.amazonaws.com",
        "region": "us-east-1",
    },
}
"""The providers that are there without any configuration, at their public addresses."""

_PORT_MAX = 65_535


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProviderSettings(_Table):
    """The table ``[providers.NAME]``."""

    kind: Kind
    base_url: str
    api_key: SecretStr | None = None
    """The operator's own key; without one the caller's own passes on."""
    api_key_header: Literal["authorization", "api-key"] = "authorization"
    """Where an OpenAI-compatible provider wants its key; Azure: ``api-key``."""
    region: str | None = None
    aws_profile: str | None = None

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an http:// or https:// address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address holds no credentials; use api_key")
        if parts.query or parts.fragment:
            raise ValueError("an address holds no query and no fragment")
        return value.rstrip("/")


class KeySettings(_Table):
    """An entry of ``[[keys]]``: a gateway key by its hash, and what it may do."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{4,32}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tenant_id: Annotated[str, Field(max_length=128)] = ""
    team: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    agents: tuple[Glob, ...] = ("*",)
    scopes: tuple[Literal["call", "read"], ...] = ("call",)
    expires_at: AwareDatetime | None = None


class Settings(_Table):
    """The whole configuration."""

    listen: str = "127.0.0.1:4000"
    health_listen: str | None = None
    """A second address, for ``/healthz`` and ``/readyz`` alone."""
    ledger: Path = Path("modelmeter.db")
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    time_zone: str = "UTC"
    scrape_interval_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 15
    version: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The deployment's version, shown as ``llm_deployment_timestamp_seconds{version}``."""
    providers: dict[Name, ProviderSettings] = Field(default_factory=dict, validate_default=True)
    teams: dict[Name, tuple[Glob, ...]] = Field(default_factory=dict)
    keys: tuple[KeySettings, ...] = ()
    budgets: Annotated[tuple[BudgetSettings, ...], Field(max_length=BUDGETS_MAX)] = ()
    throttles: Annotated[tuple[ThrottleSettings, ...], Field(max_length=THROTTLES_MAX)] = ()
    budgeting: BudgetingSettings = BudgetingSettings()
    cache: CacheSettings = CacheSettings()
    routes: dict[Name, RouteSettings] = Field(default_factory=dict)
    routing: RoutingSettings = RoutingSettings()
    limits: Limits = Limits()
    prices: PriceSettings = PriceSettings()
    notifications: NotificationSettings = NotificationSettings()

    @property
    def address(self) -> tuple[str, int]:
        """The host to listen on, without brackets, and the port; 0: any free one."""
        return _split(self.listen)

    @property
    def lets_anybody_in(self) -> bool:
        """The address to listen on reaches beyond this machine, and no key is needed there."""
        return not self.keys and not _is_loopback(self.address[0])

    @property
    def health_address(self) -> tuple[str, int] | None:
        """The same of `health_listen`."""
        return None if self.health_listen is None else _split(self.health_listen)

    @field_validator("listen", "health_listen")
    @classmethod
    def _address_and_port(cls, value: str | None) -> str | None:
        if value is None:
            return None
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > _PORT_MAX:
            raise ValueError("give an address and a port, such as 127.0.0.1:4000")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError("give an IANA time zone, such as Europe/Stockholm") from error
        return value

    @field_validator("providers", mode="before")
    @classmethod
    def _with_built_in(cls, value: Any) -> Any:  # pydantic hands over whatever was given
        if not isinstance(value, dict):
            return value
        merged: dict[str, Any] = {name: dict(table) for name, table in BUILT_IN_PROVIDERS.items()}
        for name, table in value.items():
            own = table.model_dump() if isinstance(table, BaseModel) else table
            merged[name] = {**merged.get(name, {}), **own} if isinstance(own, dict) else own
        return merged

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen: set[str] = set()
        for key in self.keys:
            if key.id in seen:
                raise ValueError(f"two keys have the id {key.id!r}")
            seen.add(key.id)
        for name, route in self.routes.items():
            for target in route.targets:
                if target.partition("/")[0] not in self.providers:
                    raise ValueError(f"routes.{name} names {target!r}, whose provider is unknown")
        owners: dict[str, str] = {}
        for team, globs in self.teams.items():
            for glob in globs:
                if owners.setdefault(glob, team) != team:
                    raise ValueError(f"teams {owners[glob]!r} and {team!r} both claim {glob!r}")
        return self


def _split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
