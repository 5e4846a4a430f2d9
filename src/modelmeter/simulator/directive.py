"""What a request asks the simulator to do, in a small strict language inside the prompt."""

import re
from urllib.parse import unquote_to_bytes

import msgspec

from modelmeter.errors import ModelmeterError

__all__ = [
    "DIRECTIVE_CHARACTERS_MAX",
    "NOTHING_ASKED",
    "Directive",
    "DirectiveError",
    "find_directive",
    "parse_directive",
]

DIRECTIVE_CHARACTERS_MAX = 2_000
"""Longest directive that is read."""

_OPENING = b"[[simulate"
_CLOSING = b"]]"
_WORD = re.compile(r"([a-z][a-z0-9_]*)(?:=([^\s\[\]\"\\]+))?")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_ERRORS = ("overloaded", "context_length", "content_filter")
_INVALID_USAGES = ("negative", "contradictory", "string")


class DirectiveError(ModelmeterError):
    """A directive that cannot be obeyed; the text names the offending word."""

    code = "directive_invalid"


class Directive(msgspec.Struct, frozen=True):
    """
    What one request asks for; None and False leave the simulator its own way.

    Token counts are disjoint, as in `modelmeter.record.TokenCounts`: ``input`` never holds
    cached tokens and ``output`` never holds reasoning, whatever the provider's own counting.
    Stating one count of the input side (or of the output side) sets the unstated others of
    that side to zero, but for ``input`` and ``output`` themselves.
    """

    status: int | None = None
    """Fail with this HTTP status, 400 to 599."""
    error: str | None = None
    """Fail in this way: ``overloaded``, ``context_length`` or ``content_filter``."""
    retry_after: str | None = None
    """Value of ``Retry-After``, as it stands."""
    first_token_ms: int | None = None
    token_ms: int | None = None
    output: int | None = None
    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    cut_after_chunks: int | None = None
    """Close the connection after this many writes."""
    stall_after_chunks: int | None = None
    """Write nothing more after this many writes, and keep the connection open."""
    error_after_chunks: int | None = None
    """Put the error of ``status`` or ``error`` into the stream after this many events."""
    slice: int | None = None
    """Write the body in pieces of this many bytes."""
    broken_json: bool = False
    """Damage the JSON of the body, or of one event amid a stream."""
    no_usage: bool = False
    usage_invalid: str | None = None
    """Report counts that are ``negative``, ``contradictory`` or of type ``string``."""
    html: bool = False
    """Answer 200 with a page of HTML."""
    empty: bool = False
    """Answer 200 with no body."""
    redirect: str | None = None
    """Answer 307 to this URL."""
    set_cookie: bool = False
    tool: bool = False
    """Call a tool, whatever the prompt says."""
    body_bytes: int | None = None
    """Make the answer's text this long."""


NOTHING_ASKED = Directive()

_FLAGS = frozenset({"broken_json", "no_usage", "html", "empty", "set_cookie", "tool"})
_NUMBERS: dict[str, tuple[int, int]] = {
    "status": (400, 599),
    "first_token_ms": (0, 600_000),
    "token_ms": (0, 60_000),
    "output": (0, 200_000),
    "input": (0, 100_000_000),
    "cached": (0, 100_000_000),
    "cache_write": (0, 100_000_000),
    "cache_write_1h": (0, 100_000_000),
    "reasoning": (0, 100_000_000),
    "cut_after_chunks": (0, 10_000_000),
    "stall_after_chunks": (0, 10_000_000),
    "error_after_chunks": (0, 10_000_000),
    "slice": (1, 1_000_000),
    "body_bytes": (1, 128 * 1024 * 1024),
}
_CHOICES = {"error": _ERRORS, "usage_invalid": _INVALID_USAGES}
_TEXTS = frozenset({"retry_after", "redirect"})


def find_directive(path: bytes, body: bytes) -> Directive:
    """
    Give the last directive of a request: of its body, else of its path (percent-encoded).

    It is looked for in the bytes as they came, so it may stand in a prompt or a model's name.

    Raises:
        DirectiveError: there is one, but not a valid one.
    """
    for place in (body, unquote_to_bytes(path) if b"simulate" in path else b""):
        start = place.rfind(_OPENING)
        if start < 0:
            continue
        start += len(_OPENING)
        end = place.find(_CLOSING, start, start + DIRECTIVE_CHARACTERS_MAX)
        if end < 0:
            raise DirectiveError("simulate: the directive does not end with ]]")
        return parse_directive(place[start:end].decode("utf-8", "replace"))
    return NOTHING_ASKED


def parse_directive(text: str) -> Directive:
    """
    Read ``key`` and ``key=value`` words that are parted by spaces.

    Raises:
        DirectiveError: a key is unknown, stands twice, or its value does not fit.
    """
    if len(text) > DIRECTIVE_CHARACTERS_MAX:
        raise DirectiveError(f"simulate: longer than {DIRECTIVE_CHARACTERS_MAX} characters")
    values: dict[str, int | str | bool] = {}
    for word in text.split():
        match = _WORD.fullmatch(word)
        if match is None:
            raise DirectiveError(f"simulate: not a key or key=value: {word!r}")
        key, value = match.group(1), match.group(2)
        if key in values:
            raise DirectiveError(f"simulate: {key} stands twice")
        values[key] = _value(key, value)
    return msgspec.convert(values, Directive)


def _value(key: str, value: str | None) -> int | str | bool:
    if key in _FLAGS:
        if value is not None:
            raise DirectiveError(f"simulate: {key} takes no value")
        return True
    if key not in _NUMBERS and key not in _CHOICES and key not in _TEXTS:
        raise DirectiveError(f"simulate: unknown key {key}")
    if value is None:
        raise DirectiveError(f"simulate: {key} needs a value")
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        if _WHOLE.fullmatch(value) is None or not low <= int(value) <= high:
            raise DirectiveError(f"simulate: {key} must be a number from {low} to {high}")
        return int(value)
    if key in _CHOICES and value not in _CHOICES[key]:
        raise DirectiveError(f"simulate: {key} must be one of {', '.join(_CHOICES[key])}")
    return value
