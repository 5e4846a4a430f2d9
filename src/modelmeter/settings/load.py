"""Reads the configuration: a TOML file, the environment over it, secrets from where they lie."""

import difflib
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ValidationError

from modelmeter.errors import SettingsError
from modelmeter.settings.budgets import BudgetingSettings, BudgetSettings
from modelmeter.settings.cache import CacheSettings
from modelmeter.settings.limits import Limits
from modelmeter.settings.lines import line_of
from modelmeter.settings.model import KeySettings, ProviderSettings, Settings
from modelmeter.settings.notifications import NotificationSettings
from modelmeter.settings.prices import (
    CeilingSettings,
    DeploymentSettings,
    DiscountSettings,
    ModelPriceSettings,
    PriceSettings,
    ToolFeeSettings,
    wrong_prices,
)
from modelmeter.settings.scope import wrong_names
from modelmeter.settings.throttles import ThrottleSettings

__all__ = ["Check", "Fault", "load_settings", "secret_value"]

CONFIG_BYTES_MAX = 1024 * 1024
"""A configuration file."""
SECRET_BYTES_MAX = 64 * 1024
"""A file with a secret."""

_PREFIX = "MODELMETER_"
_NOT_SETTINGS = frozenset({"MODELMETER_CONFIG"})
_OF_A_TABLE = 2
"""Names in the place of a setting of a table at the top."""
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Table = dict[str, Any]
Fault = tuple[tuple[str | int, ...], str]
"""A place in the configuration, and what is wrong there."""
Check = Callable[[Settings], Iterable[Fault]]
Options = Mapping[str, str | None]
"""Settings at the top by their names, as the command line gives them; None: not given."""

_NO_OPTIONS: Options = {}


def load_settings(
    path: Path | None,
    environment: Mapping[str, str],
    *,
    options: Options = _NO_OPTIONS,
    check: Check | None = None,
) -> Settings:
    """
    The settings of a TOML file (none: defaults) with ``MODELMETER_…`` variables over them.

    ``MODELMETER_PROVIDERS__OPENAI__BASE_URL`` sets ``base_url`` of ``[providers.openai]``; lists
    are given as JSON. ``options`` stand over both. Secrets in the file are references:
    ``env:NAME`` or ``file:PATH``. What only another part of the program can tell to be wrong is
    for ``check`` to find.

    Raises:
        SettingsError: all faults at once, each with its line, variable or option, none with a
            secret.
    """
    text = "" if path is None else _read(path)
    try:
        table: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    faults = list(_resolve_secrets(table, environment, base=path.parent if path else Path()))
    variables = _lay_over(table, environment)
    given = {name: value for name, value in options.items() if value is not None}
    table |= given
    settings = None
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        faults += _faults_of(error)
    else:
        key_ids = {key.id for key in settings.keys}
        for name, entries in (("budgets", settings.budgets), ("throttles", settings.throttles)):
            faults += wrong_names(name, entries, providers=settings.providers, key_ids=key_ids)
        faults += wrong_prices(settings.prices, providers=settings.providers)
        faults += check(settings) if check is not None else ()
    if settings is None or faults:
        variables |= {(name,): f"--{name}" for name in given}
        raise SettingsError("\n".join(_describe(fault, path, text, variables) for fault in faults))
    return settings


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
        if len(content) > CONFIG_BYTES_MAX:
            raise SettingsError(f"{path} is larger than {CONFIG_BYTES_MAX} bytes")
        return content.decode()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text") from error


def _resolve_secrets(
    table: Table, environment: Mapping[str, str], *, base: Path
) -> Iterator[Fault]:
    """Replace the references to secrets by the secrets; yield what is wrong with them."""
    yield from _resolve_store(table.get("cache"), environment, base=base)
    yield from _resolve_notifications(table.get("notifications"), environment, base=base)
    providers = table.get("providers")
    if not isinstance(providers, dict):
        return
    for name, provider in providers.items():
        reference = provider.get("api_key") if isinstance(provider, dict) else None
        if not isinstance(reference, str):
            continue
        try:
            provider["api_key"] = secret_value(reference, environment, base)
        except SettingsError as error:
            provider["api_key"] = "unknown"
            yield ("providers", name, "api_key"), str(error)


def _resolve_store(cache: object, environment: Mapping[str, str], *, base: Path) -> Iterator[Fault]:
    """The cache's store is a secret only if its URL holds a password."""
    store = cache.get("store") if isinstance(cache, dict) else None
    if not isinstance(cache, dict) or not isinstance(store, str):
        return
    try:
        if store.startswith(("env:", "file:")):
            cache["store"] = secret_value(store, environment, base)
        elif urlsplit(store).password is not None:
            raise SettingsError('a URL with a password stands elsewhere: give "env:NAME"')
    except (SettingsError, ValueError) as error:
        cache["store"] = "memory"
        yield ("cache", "store"), str(error)


def _resolve_notifications(
    notifications: object, environment: Mapping[str, str], *, base: Path
) -> Iterator[Fault]:
    """The addresses are secrets, each called by its reference from then on."""
    if not isinstance(notifications, dict):
        return
    references = notifications.get("urls")
    if isinstance(references, list):
        for place, reference in enumerate(references):
            if isinstance(reference, str):
                try:
                    url = secret_value(reference, environment, base)
                    references[place] = {"name": reference, "url": url}
                except SettingsError as error:
                    # What stands there may be the secret itself.
                    references[place] = {"name": f"url {place + 1}", "url": "unknown"}
                    yield ("notifications", "urls", place), str(error)
    grafana = notifications.get("grafana")
    if isinstance(grafana, dict) and isinstance(token := grafana.get("token"), str):
        try:
            grafana["token"] = secret_value(token, environment, base)
        except SettingsError as error:
            grafana["token"] = "unknown"
            yield ("notifications", "grafana", "token"), str(error)


def secret_value(reference: str, environment: Mapping[str, str], base: Path) -> str:
    """
    The secret that ``env:NAME`` or ``file:PATH`` (from ``base`` on) refers to.

    Raises:
        SettingsError: it is no reference, or leads to nothing; the text holds no secret.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        value = environment.get(place, "")
        if not value:
            raise SettingsError(f"the environment variable {place} is not set")
        return value
    if scheme == "file":
        return _secret_file(base / place)
    raise SettingsError('a secret stands elsewhere: give "env:NAME" or "file:PATH"')


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


def _lay_over(table: Table, environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Put the variables over the file's table; which path came from which variable."""
    variables = {}
    for variable, value in sorted(environment.items()):
        if not variable.startswith(_PREFIX) or variable in _NOT_SETTINGS:
            continue
        path = tuple(variable.removeprefix(_PREFIX).lower().split("__"))
        variables[path] = variable
        place = table
        for name in path[:-1]:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[path[-1]] = _value(value)
    return variables


def _value(text: str) -> object:
    if text[:1] in ("[", "{"):
        try:
            parsed: object = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
        return parsed
    return text


def _faults_of(error: ValidationError) -> Iterator[Fault]:
    for fault in error.errors(include_url=False, include_input=False, include_context=True):
        location = tuple(part for part in fault["loc"] if part != "[key]")
        if fault["type"] == "extra_forbidden":
            yield location, _unknown_name(location)
        elif fault["type"] == "missing":
            yield location, "is missing"
        else:
            yield location, str(fault["msg"]).removeprefix("Value error, ")


def _unknown_name(location: Sequence[str | int]) -> str:
    name = str(location[-1])
    models: dict[str, type[BaseModel]] = {
        "providers": ProviderSettings,
        "keys": KeySettings,
        "cache": CacheSettings,
        "limits": Limits,
        "notifications": NotificationSettings,
        "budgets": BudgetSettings,
        "throttles": ThrottleSettings,
        "budgeting": BudgetingSettings,
        "prices": PriceSettings,
    }
    prices: dict[str, type[BaseModel]] = {
        "models": ModelPriceSettings,
        "discounts": DiscountSettings,
        "deployments": DeploymentSettings,
        "tool_fees": ToolFeeSettings,
        "ceiling": CeilingSettings,
    }
    nested = models.get(str(location[0])) if len(location) > 1 else None
    if nested is PriceSettings and len(location) > _OF_A_TABLE:
        nested = prices.get(str(location[1]))
    model = nested or Settings
    close = difflib.get_close_matches(name, model.model_fields, n=1)
    return f"is not a setting{f'; did you mean {close[0]!r}?' if close else ''}"


def _describe(
    fault: Fault, path: Path | None, text: str, variables: Mapping[tuple[str, ...], str]
) -> str:
    location, message = fault
    name = ".".join(str(part) for part in location)
    for length in range(len(location), 0, -1):
        variable = variables.get(tuple(str(part) for part in location[:length]))
        if variable is not None:
            return f"{variable}: {'' if variable == f'--{name}' else f'{name} '}{message}"
    line = line_of(text, location) if location else None
    place = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
    return f"{place}{name + ' ' if name else ''}{message}"
