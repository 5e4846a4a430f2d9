"""How much text a model wrote in a whole answer, whose counts of tokens are not to be had."""

import msgspec

from modelmeter.providers.bodies import UNREADABLE

__all__ = ["json_length", "written_length"]

_TEXTS = frozenset(
    {
        "arguments",
        "code",
        "content",
        "output",
        "partial_json",
        "reasoning",
        "reasoning_content",
        "refusal",
        "text",
        "thinking",
        "transcript",
    }
)
"""The fields that hold what a model wrote, in the answers of OpenAI, Anthropic and Gemini."""
_VALUES = frozenset({"args", "input"})
"""The fields that hold what it wrote as a JSON value, for a tool."""


def written_length(answer: bytes, fields: tuple[str, ...]) -> int:
    """
    The characters a model wrote in the given fields of ``answer``, at any depth.

    An answer that is no JSON object counts as a whole: too much rather than nothing.
    """
    try:
        decoded = msgspec.json.decode(answer)
    except UNREADABLE:
        return len(answer)
    if not isinstance(decoded, dict):
        return len(answer)
    length = 0
    # A list of what is left, for the depth of an answer must not become that of the stack.
    left = [decoded.get(field) for field in fields]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            for name, inner in value.items():
                if name in _VALUES or (name in _TEXTS and isinstance(inner, str)):
                    length += json_length(inner)
                else:
                    left.append(inner)
    return length


def json_length(value: object) -> int:
    """The characters of a text, or of the JSON of any other value; none of nothing."""
    if value is None:
        return 0
    return len(value) if isinstance(value, str) else len(msgspec.json.encode(value))
