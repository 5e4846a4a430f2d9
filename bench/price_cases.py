"""The cases of exact cost, in a form that each library can take in its own way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["CASE_FILES", "Case", "all_cases", "whole_usage"]

_TESTS = Path(__file__).parent.parent / "tests" / "pricing"
CASE_FILES = (_TESTS / "cost_cases.jsonl", _TESTS / "more_cost_cases.jsonl")
"""The facts that the tests rest on, each line with its source."""
_USAGE_NAMES = ("usage", "usageMetadata", "usage_metadata")


class Case(NamedTuple):
    """A usage, and what its provider bills."""

    id: str
    line: Mapping[str, object]
    """As in the file."""
    usd: str | None
    """None: it must be said to be unknown."""


def all_cases() -> list[Case]:
    """Every case of every file."""
    lines = [json.loads(line) for file in CASE_FILES for line in file.read_text().splitlines()]
    return [Case(line["id"], line, line["expected_usd"]) for line in lines]


def whole_usage(line: Mapping[str, object]) -> object:
    """
    The usage as one object: of a stream what its events add up to, as its provider documents.

    Libraries that read whole answers only get this, so that they are not judged by streams.
    """
    usage = line.get("raw_usage")
    whole = line.get("raw_response")
    if usage is None:
        usage = _usage_in(whole) if isinstance(whole, dict) else whole
    if isinstance(usage, dict) and isinstance(usage.get("metadata"), dict):
        return usage["metadata"].get("usage")
    if not isinstance(usage, list):
        return usage
    merged: dict[str, object] = {}
    for event in usage:
        for holder in (event, event.get("message"), event.get("response"), event.get("metadata")):
            if isinstance(holder, dict):
                part = _usage_in(holder)
                if isinstance(part, dict):
                    merged.update({k: v for k, v in part.items() if v is not None})
    return merged


def _usage_in(holder: Mapping[str, object]) -> object:
    """The usage of an answer, by whichever of its names."""
    return next((holder[name] for name in _USAGE_NAMES if holder.get(name)), None)
