"""Secrets of the configuration: looked up where its references say they lie, for who uses them."""

import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from modelmeter.errors import SettingsError
from modelmeter.settings.lines import Fault

__all__ = ["ALL_SECRETS", "SecretsOf", "resolve_secrets", "secret_value"]

SECRET_BYTES_MAX = 64 * 1024
"""A file with a secret."""

SecretsOf = Literal["providers", "cache", "notifications", "grafana"]
"""What secrets are for: calls, the cache's store, and telling people, or Grafana, of budgets."""

ALL_SECRETS: Final[frozenset[SecretsOf]] = frozenset(
    ("providers", "cache", "notifications", "grafana")
)

_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_UNREAD = "unread"
"""Stands where a secret was not looked up, or cannot be had."""
_UNREAD_STORE = "redis://unread"

Look = Callable[[str], str]


def resolve_secrets(
    table: dict[str, Any],
    environment: Mapping[str, str],
    *,
    base: Path,
    needed: Collection[SecretsOf],
) -> Iterator[Fault]:
    """
    Replace the references to secrets in ``table``; yield what is wrong with them.

    Secrets that are not ``needed`` are not looked up: of their references only the shape counts.
    """

    def look(use: SecretsOf) -> Look:
        if use in needed:
            return lambda reference: secret_value(reference, environment, base)
        return _unread

    yield from _resolve_store(table.get("cache"), look("cache"))
    notifications = table.get("notifications")
    if isinstance(notifications, dict):
        yield from _resolve_urls(notifications.get("urls"), look("notifications"))
        yield from _resolve_grafana(notifications.get("grafana"), look("grafana"))
    yield from _resolve_providers(table.get("providers"), look("providers"))


def _resolve_providers(providers: object, look: Look) -> Iterator[Fault]:
    if not isinstance(providers, dict):
        return
    for name, provider in providers.items():
        reference = provider.get("api_key") if isinstance(provider, dict) else None
        if not isinstance(reference, str):
            continue
        try:
            provider["api_key"] = look(reference)
        except SettingsError as error:
            provider["api_key"] = _UNREAD
            yield ("providers", name, "api_key"), str(error)


def _resolve_store(cache: object, look: Look) -> Iterator[Fault]:
    """The cache's store is a secret only if its URL holds a password."""
    store = cache.get("store") if isinstance(cache, dict) else None
    if not isinstance(cache, dict) or not isinstance(store, str):
        return
    try:
        if store.startswith(("env:", "file:")):
            found = look(store)
            cache["store"] = _UNREAD_STORE if found == _UNREAD else found
        elif urlsplit(store).password is not None:
            raise SettingsError('a URL with a password stands elsewhere: give "env:NAME"')
    except (SettingsError, ValueError) as error:
        cache["store"] = _UNREAD_STORE
        yield ("cache", "store"), str(error)


def _resolve_urls(references: object, look: Look) -> Iterator[Fault]:
    """The addresses are secrets, each called by its reference from then on."""
    if not isinstance(references, list):
        return
    for place, reference in enumerate(references):
        if not isinstance(reference, str):
            continue
        try:
            references[place] = {"name": reference, "url": look(reference)}
        except SettingsError as error:
            # What stands there may be the secret itself.
            references[place] = {"name": f"url {place + 1}", "url": _UNREAD}
            yield ("notifications", "urls", place), str(error)


def _resolve_grafana(grafana: object, look: Look) -> Iterator[Fault]:
    if isinstance(grafana, dict) and isinstance(token := grafana.get("token"), str):
        try:
            grafana["token"] = look(token)
        except SettingsError as error:
            grafana["token"] = _UNREAD
            yield ("notifications", "grafana", "token"), str(error)


def secret_value(reference: str, environment: Mapping[str, str], base: Path) -> str:
    """
    The secret that ``env:NAME`` or ``file:PATH`` (from ``base`` on) refers to.

    Raises:
        SettingsError: it is no reference, or leads to nothing; the text holds no secret.
    """
    scheme, place = _reference(reference)
    if scheme == "file":
        return _secret_file(base / place)
    value = environment.get(place, "")
    if not value:
        raise SettingsError(f"the environment variable {place} is not set")
    return value


def _unread(reference: str) -> str:
    _reference(reference)
    return _UNREAD


def _reference(text: str) -> tuple[str, str]:
    scheme, _, place = text.partition(":")
    if scheme not in ("env", "file") or not place:
        raise SettingsError('a secret stands elsewhere: give "env:NAME" or "file:PATH"')
    return scheme, place


def _secret_file(path: Path) -> str:
    try:
        if path.stat().st_mode & _READABLE_BY_OTHERS:
            raise SettingsError(f"{path} can be read by others; chmod 600 it")
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    try:
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        value = ""
    if not value or not value.isprintable() or len(content) > SECRET_BYTES_MAX:
        raise SettingsError(f"{path} holds no usable secret: one line of text")
    return value
