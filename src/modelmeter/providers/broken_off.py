"""What a stream says of itself whose body ended as HTTP wants it, but before its own end."""

import msgspec

from modelmeter.providers.contract import ResponseFacts
from modelmeter.record import ErrorType

__all__ = ["broken_off_facts"]

_BROKEN_OFF = "the stream broke off: its body ended before its last event"


def broken_off_facts(facts: ResponseFacts) -> ResponseFacts:
    """The facts of such a stream; an error that it told itself says more."""
    if facts.error_type is not None:
        return facts
    return msgspec.structs.replace(
        facts, ended=False, error_type=ErrorType.BAD_RESPONSE, note=_BROKEN_OFF
    )
