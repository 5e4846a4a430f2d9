"""
A request's names in the spelling of Google's reference; the API takes each in two.

Its messages are read by https://protobuf.dev/programming-guides/json/#field-names:
``maxOutputTokens`` and ``max_output_tokens`` are one field.
"""

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.one_reading import NAME_CHARACTERS_MAX

__all__ = ["in_one_spelling"]

_CONFIG = "generationConfig"


def in_one_spelling(fields: dict[str, object]) -> dict[str, object]:
    """
    The fields of a request, and those of its ``generationConfig``, by their names in camelCase.

    Raises:
        RefusedRequestError: a field stands there in both spellings: which of its two values
            counts is for each reader to choose.
    """
    fields = _in_camel_case(fields)
    config = fields.get(_CONFIG)
    if isinstance(config, dict) and (renamed := _in_camel_case(config)) is not config:
        return {**fields, _CONFIG: renamed}
    return fields


def _in_camel_case(fields: dict[str, object]) -> dict[str, object]:
    if "_" not in "".join(fields):
        return fields
    spelled: dict[str, str] = {}
    for name in fields:
        first, *rest = name.split("_")
        camel = first + "".join(part[:1].upper() + part[1:] for part in rest)
        if camel in spelled:
            both = " and ".join(repr(one[:NAME_CHARACTERS_MAX]) for one in (spelled[camel], name))
            raise RefusedRequestError(
                f"the request's body says {both}, which are one field, "
                "and who reads it may take either; say it once",
                code="name_repeated",
            )
        spelled[camel] = name
    return {camel: fields[name] for camel, name in spelled.items()}
