"""
Reads a request's body so that every other reader must read the same in it, or refuses it.

What two readers may read differently (https://www.rfc-editor.org/rfc/rfc8259#section-4 and
#section-8.2) would let a provider run another call than the one that was metered and held to a
budget: another model, another limit, another number of answers.
"""

import re
from collections.abc import Iterable
from math import isinf
from typing import Any, TypeVar

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import ABSENT

__all__ = [
    "MEMBERS_MAX",
    "NAME_CHARACTERS_MAX",
    "VALUES_MAX",
    "fields_of",
    "request_fields",
    "wanted_of",
]

MEMBERS_MAX = 100_000
"""Names in all objects of a body together."""
VALUES_MAX = 500_000
"""Lists, objects and what stands behind a comma in them, in a whole body."""
NAME_CHARACTERS_MAX = 64
"""Of a name that is told in a refusal."""
SMALL_BYTES_MAX = 5 * MEMBERS_MAX
"""A body that cannot hold more: a member has five bytes (``"":0,``)."""
START_BYTES = 16 * MEMBERS_MAX
DOUBLE_DIGITS = 309
"""Of the largest double as a whole number; a decoder takes some thousands."""

_SAMPLE_STRIDE = DOUBLE_DIGITS // 6
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_SAMPLED_DIGITS = b"0" * 6
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{309,}(?![0-9.eE])")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

_T = TypeVar("_T")


class _Member:
    """A name where it stands: equal to no other, so that a decoder keeps two that are the same."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _member(kind: type, name: object) -> object:
    return kind(name)


class _Inner(msgspec.Struct):
    """The objects that hold limits and marks which are metered, in one dialect or another."""

    stream_options: msgspec.Raw = ABSENT
    generation_config: msgspec.Raw = msgspec.field(default=ABSENT, name="generationConfig")
    generation_config_proto: msgspec.Raw = msgspec.field(default=ABSENT, name="generation_config")
    inference_config: msgspec.Raw = msgspec.field(default=ABSENT, name="inferenceConfig")
    text_config: msgspec.Raw = msgspec.field(default=ABSENT, name="textGenerationConfig")


_INNER_NAMES = frozenset(_Inner.__struct_encode_fields__)
_inner_decoder = msgspec.json.Decoder(_Inner)
# Of objects and numbers nothing is left undecoded: that is what tests their text and range.
_decoder = msgspec.json.Decoder(dict[_Member, Any], dec_hook=_member)


def request_fields(body: bytes, kind: type[_T]) -> _T:
    """
    What ``kind`` wants to know of a request.

    Raises:
        RefusedRequestError: see `fields_of` and `wanted_of`.
    """
    return wanted_of(fields_of(body), kind)


def wanted_of(fields: dict[str, object], kind: type[_T]) -> _T:
    """
    What ``kind`` wants to know of a request's fields.

    Raises:
        RefusedRequestError: a wanted field has the wrong type.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _wrong(error) from error


def fields_of(body: bytes) -> dict[str, object]:
    """
    The fields of a request.

    Raises:
        RefusedRequestError: it is no JSON object in UTF-8; it holds half a surrogate pair, a
            number that no double holds, or more than `MEMBERS_MAX` or `VALUES_MAX`; or a name
            stands twice at its top or in an object of limits.
    """
    _require_few(body)
    try:
        fields = _once(body)
        if not _INNER_NAMES.isdisjoint(fields):
            inner = _inner_decoder.decode(body)
            for raw in msgspec.structs.astuple(inner):
                if bytes(raw).startswith(b"{"):
                    _once(raw)
    except msgspec.ValidationError as error:
        raise _wrong(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequestError(_reason(body, error), code="invalid_json") from error
    _require_doubles(body)
    return fields


def _once(text: bytes | msgspec.Raw) -> dict[str, object]:
    members = _decoder.decode(text)
    fields: dict[str, object] = {member.name: value for member, value in members.items()}
    if len(fields) == len(members):
        return fields
    raise RefusedRequestError(
        f"the request's body says {_repeated(members)[:NAME_CHARACTERS_MAX]!r} twice, "
        "and who reads it may take either; say it once",
        code="name_repeated",
    )


def _repeated(members: Iterable[_Member]) -> str:
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            return member.name
        seen.add(member.name)
    return ""


def _wrong(error: msgspec.ValidationError) -> RefusedRequestError:
    return RefusedRequestError(f"the request's body: {error}", code="invalid_request")


def _reason(body: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the request's body is not UTF-8"
    # Two backslashes are one character, and what follows them is no escape.
    escapes = body.replace(rb"\\", b"  ")
    if _HALF.search(_PAIR.sub(b"", escapes)):
        return "the request's body holds half a surrogate pair, which is no character"
    return f"the request's body is not JSON: {error}"


def _require_doubles(body: bytes) -> None:
    """Of whole numbers; of others the decoder sees to it."""
    # As many digits in a row meet this many of the samples in a row.
    if _SAMPLED_DIGITS not in body[::_SAMPLE_STRIDE].translate(_DIGITS_ALIKE):
        return
    for number in _LONG_INTEGER.findall(_outside_texts(body)):
        if isinf(float(number)):
            raise RefusedRequestError("the request's body: Integer value out of range")


def _require_few(body: bytes) -> None:
    """Before anything is built, at the speed of memory, and of large bodies only."""
    if len(body) <= SMALL_BYTES_MAX:
        return
    # What has too many by far shows it near its start already. Marks in texts are none.
    for part in (body[:START_BYTES], body):
        if _excess(part) and (excess := _excess(_outside_texts(part))):
            raise RefusedRequestError(
                f"the request's body holds more than {excess}", code="too_many_values"
            )


def _excess(text: bytes) -> str | None:
    if text.count(b":") > MEMBERS_MAX:
        return f"{MEMBERS_MAX} names"
    if text.count(b",") + text.count(b"[") + text.count(b"{") > VALUES_MAX:
        return f"{VALUES_MAX} values"
    return None


def _outside_texts(body: bytes) -> bytes:
    """What stands outside of texts; all, if there are more texts than a body may hold."""
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 2 * (MEMBERS_MAX + VALUES_MAX):
        return body
    return b"".join(bare.split(b'"')[::2])
