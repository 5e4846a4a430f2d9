"""Finds the line of a TOML text on which a setting stands, for error messages."""

import re
import tomllib
from collections.abc import Sequence

__all__ = ["Fault", "line_of"]

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)

Path = tuple[str | int, ...]
Fault = tuple[Path, str]
"""A place in the configuration, and what is wrong there."""


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """
    The number of the line that sets ``path``, or the nearest part of it that stands anywhere.

    ``path`` is what pydantic calls a location: names of tables and keys, and the index of an
    entry in an array of tables.
    """
    wanted = tuple(path)
    best: tuple[int, int | None] = (0, None)
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _table_path(header, counts)
            found = table
        elif key := _KEY.match(line):
            found = (*table, *_names(key.group(1)))
        else:
            continue
        shared = _shared(found, wanted)
        if shared == len(found) and shared > best[0]:
            best = (shared, number)
    return best[1]


def _table_path(header: re.Match[str], counts: dict[Path, int]) -> Path:
    names: Path = tuple(_names(header.group(2)))
    if header.group(1) == "[[":
        index = counts.get(names, -1) + 1
        counts[names] = index
        return (*names, index)
    for length in range(len(names) - 1, 0, -1):
        index_of_parent = counts.get(names[:length])
        if index_of_parent is not None:
            return (*names[:length], index_of_parent, *names[length:])
    return names


def _names(dotted: str) -> list[str]:
    """The parts of a dotted key, read by the TOML parser itself."""
    try:
        value = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return [dotted]
    names = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        names.append(name)
    return names


def _shared(found: Path, wanted: Path) -> int:
    count = 0
    for one, other in zip(found, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count
