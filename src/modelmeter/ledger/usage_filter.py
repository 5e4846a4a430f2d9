"""Which calls a question is about: by agent, team, model, provider and tenant."""

from typing import Final

import msgspec

__all__ = ["NAME_COLUMNS", "UsageFilter", "filter_condition", "filter_parameters", "is_listed"]

NAME_COLUMNS: Final = {
    "agent": "agent_id",
    "team": "team",
    "model": "model",
    "provider": "provider",
    "tenant": "tenant_id",
}
"""The columns that a filter looks at, by the filter's names."""

_VALUES = "(SELECT value FROM json_each("


class UsageFilter(msgspec.Struct, frozen=True):
    """Which calls count; an empty tuple: all."""

    agent: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """All calls count."""
        return not any(msgspec.structs.astuple(self))


def is_listed(column: str, parameter: str) -> str:
    """SQL: a column's value is in the list that a parameter holds as JSON, or that is NULL."""
    return f"(:{parameter} IS NULL OR {column} IN {_VALUES}:{parameter})))"


def filter_condition(table: str) -> str:
    """SQL: a row of ``table`` fits the filter whose `filter_parameters` are bound."""
    return " AND ".join(
        is_listed(f"{table}.{column}", name) for name, column in NAME_COLUMNS.items()
    )


def filter_parameters(wanted: msgspec.Struct) -> dict[str, str | None]:
    """A filter's lists as JSON, by name; None for one that lets all through."""
    return {
        name: msgspec.json.encode(values).decode() if values else None
        for name, values in msgspec.structs.asdict(wanted).items()
    }
