"""What a budget or a throttle can be narrowed to."""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["SCOPE_NAMES", "ScopeSettings", "Scoped", "wrong_names"]

SCOPE_NAMES = ("tenant", "team", "agent", "key", "provider", "model")
"""In the order in which they are written."""

ScopeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Scoped = Annotated[str, Field(min_length=1, max_length=2048)]


class ScopeSettings(BaseModel):
    """
    A name, and whose calls count: any combination of the six; none is everybody's.

    A ``*`` at the end of an agent or model stands for any rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ScopeName
    tenant: Scoped | None = None
    team: Scoped | None = None
    agent: Scoped | None = None
    key: Scoped | None = None
    """The id of a gateway key."""
    provider: Scoped | None = None
    model: Scoped | None = None

    @field_validator("tenant", "team", "key", "provider")
    @classmethod
    def _whole_name(cls, value: str | None) -> str | None:
        if value is not None and "*" in value:
            raise ValueError("give one whole name; only agent and model may end in *")
        return value

    @field_validator("agent", "model")
    @classmethod
    def _name_or_prefix(cls, value: str | None) -> str | None:
        if value is not None and "*" in value[:-1]:
            raise ValueError("a * may only stand at the end")
        return value


def wrong_names(
    table: str,
    entries: Sequence[ScopeSettings],
    *,
    providers: Collection[str],
    key_ids: Collection[str],
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Places in ``[[table]]`` that name what does not exist, and what is wrong with them."""
    names: set[str] = set()
    for index, entry in enumerate(entries):
        if entry.name in names:
            yield (table, index, "name"), f"{entry.name!r} is the name of two {table}"
        names.add(entry.name)
        if entry.provider is not None and entry.provider not in providers:
            yield (table, index, "provider"), f"{entry.provider!r} is no configured provider"
        if entry.key is not None and entry.key not in key_ids:
            yield (table, index, "key"), f"{entry.key!r} is the id of no configured key"
