"""Reads the configuration: a TOML file, the environment over it, and checks all of it."""

import difflib
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from modelmeter.errors import SettingsError
from modelmeter.settings.budgets import BudgetingSettings, BudgetSettings
from modelmeter.settings.cache import CacheSettings
from modelmeter.settings.limits import Limits
from modelmeter.settings.lines import Fault, line_of
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
from modelmeter.settings.secrets import ALL_SECRETS, SecretsOf, resolve_secrets
from modelmeter.settings.throttles import ThrottleSettings

__all__ = ["Check", "Fault", "load_settings"]

CONFIG_BYTES_MAX = 1024 * 1024
"""A configuration file."""

_PREFIX = "MODELMETER_"
_NOT_SETTINGS = frozenset({"MODELMETER_CONFIG"})
_OF_A_TABLE = 2
"""Names in the place of a setting of a table at the top."""

Table = dict[str, Any]
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
    secrets: Collection[SecretsOf] = ALL_SECRETS,
) -> Settings:
    """
    The settings of a TOML file (none: defaults) with ``MODELMETER_…`` variables over them.

    ``MODELMETER_PROVIDERS__OPENAI__BASE_URL`` sets ``base_url`` of ``[providers.openai]``; lists
    are given as JSON. ``options`` stand over both. Secrets in the file are references:
    ``env:NAME`` or ``file:PATH``; those that are not among ``secrets`` need not be there, and are
    not read. What only another part of the program can tell to be wrong is for ``check`` to find.

    Raises:
        SettingsError: all faults at once, each with its line, variable or option, none with a
            secret.
    """
    text = "" if path is None else _read(path)
    try:
        table: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    base = path.parent if path else Path()
    faults = list(resolve_secrets(table, environment, base=base, needed=secrets))
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
