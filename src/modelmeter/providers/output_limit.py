"""Sets or lowers the limit of output tokens in a request's body, and leaves the rest as it is."""

from collections.abc import Sequence

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.providers.contract import RequestFacts

__all__ = ["Place", "limited", "with_output_limit"]

Place = tuple[str, ...]
"""Where a limit stands: a field of the body, or a field of an object in a field of it."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode
_NULL = b"null"


def limited(request: RequestFacts, places: Sequence[Place], tokens: int) -> RequestFacts:
    """
    The request with its limit at ``tokens``.

    Raises:
        RefusedRequestError: see `with_output_limit`.
    """
    body = with_output_limit(request.upstream_body, places, tokens)
    return msgspec.structs.replace(request, upstream_body=body, output_tokens_max=tokens)


def with_output_limit(body: bytes, places: Sequence[Place], tokens: int) -> bytes:
    """
    The body with its limit at ``tokens``, whatever it was.

    A limit is set wherever one of ``places`` has it; where none has, it is set at the first. The
    values of all other fields stay byte for byte; where nothing has to be replaced, so does
    everything else.

    Raises:
        RefusedRequestError: the body is no JSON object, or a place for the limit is none.
    """
    fields = _read(body)
    there = [place for place in places if _has(fields, place)]
    if not there and places[0][0] not in fields:
        return _inserted(body, fields, _text_of(places[0], tokens))
    for place in there or places[:1]:
        _set(fields, place, msgspec.Raw(str(tokens).encode()))
    return _encode(fields)


def _read(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _fields.decode(body)
    except UNREADABLE as error:
        raise RefusedRequestError(
            f"the request's body cannot be read: {error}", code="invalid_json"
        ) from error


def _has(fields: dict[str, msgspec.Raw], place: Place) -> bool:
    value = fields.get(place[0])
    if value is None or bytes(value) == _NULL:
        return False
    return len(place) == 1 or place[1] in _read(bytes(value))


def _set(fields: dict[str, msgspec.Raw], place: Place, value: msgspec.Raw) -> None:
    if len(place) == 1:
        fields[place[0]] = value
        return
    given = fields.get(place[0])
    inner = {} if given is None or bytes(given) == _NULL else _read(bytes(given))
    inner[place[1]] = value
    fields[place[0]] = msgspec.Raw(_encode(inner))


def _text_of(place: Place, tokens: int) -> bytes:
    text = str(tokens).encode()
    for name in reversed(place[1:]):
        text = b"{%b:%b}" % (_encode(name), text)
    return b"%b:%b" % (_encode(place[0]), text)


def _inserted(body: bytes, fields: dict[str, msgspec.Raw], text: bytes) -> bytes:
    start = body.index(b"{") + 1
    return b"%b%b%b%b" % (body[:start], text, b"," if fields else b"", body[start:])
