"""Puts another model into a request's body, and leaves the rest as it is."""

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import UNREADABLE

__all__ = ["body_with_model"]

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def body_with_model(body: bytes, model: str) -> bytes:
    """
    The body with its ``model`` replaced; the values of all other fields byte for byte.

    Raises:
        RefusedRequestError: the body is no JSON object.
    """
    try:
        fields = _fields.decode(body)
    except UNREADABLE as error:
        raise RefusedRequestError("the request's body is no JSON object") from error
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)
