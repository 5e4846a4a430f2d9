"""The table ``[notifications]`` of the configuration: who is told, and where."""

from string import Template
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

__all__ = ["TEMPLATE_WORDS", "GrafanaSettings", "NotificationSettings", "NotificationUrl"]

TEMPLATE_WORDS = (
    "budget", "threshold", "limit", "spent", "reserved", "asked", "left", "at", "window_start",
    "window_end", "deployment", "link",
)  # fmt: skip
"""What ``title`` and ``body`` may name, each with a dollar sign before it."""
URLS_MAX = 32
"""Addresses that are told."""

Link = Annotated[str, Field(max_length=2048)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NotificationUrl(_Table):
    """One address of apprise (https://github.com/caronc/apprise/wiki), which is a secret."""

    name: Name
    """How logs and the ledger call it: the reference it was given by."""
    url: SecretStr


class GrafanaSettings(_Table):
    """The table ``[notifications.grafana]``: a Grafana whose dashboards get a mark."""

    url: str
    token: SecretStr
    """Of a service account that may write annotations."""

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        return _web_address(value)


class NotificationSettings(_Table):
    """The table ``[notifications]``; without urls and Grafana nobody is told anything."""

    urls: Annotated[tuple[NotificationUrl, ...], Field(max_length=URLS_MAX)] = ()
    link: Link | None = None
    """What a notification links to, such as a dashboard."""
    deployment: Annotated[str, Field(max_length=128)] = ""
    """Where this gateway runs, such as production."""
    title: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """A template of one line, such as ``$budget: $threshold % of $limit``; without it our own."""
    body: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    grafana: GrafanaSettings | None = None

    @property
    def wanted(self) -> bool:
        """Somebody is to be told."""
        return bool(self.urls) or self.grafana is not None

    @field_validator("urls", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:  # pydantic hands over whatever was given
        if not isinstance(value, list | tuple):
            return value
        return [
            {"name": f"url {number}", "url": url} if isinstance(url, str) else url
            for number, url in enumerate(value, start=1)
        ]

    @field_validator("title", "body")
    @classmethod
    def _known_words(cls, value: str | None) -> str | None:
        if value is None:
            return None
        template = Template(value)
        if not template.is_valid():
            raise ValueError("write $$ for a dollar sign")
        unknown = [word for word in template.get_identifiers() if word not in TEMPLATE_WORDS]
        if unknown:
            raise ValueError(f"${unknown[0]} is unknown; there are ${', $'.join(TEMPLATE_WORDS)}")
        return value

    @field_validator("link")
    @classmethod
    def _plain_link(cls, value: str | None) -> str | None:
        return None if value is None else _web_address(value)


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address holds no credentials")
    return value
