"""What a caller is told, in headers, of the changes that budgets made to its call."""

from modelmeter.meter.bounding import Bounded
from modelmeter.meter.meter import CallOpening

__all__ = ["Headers", "limit_told", "model_told"]

MODEL_REQUESTED_HEADER = b"x-modelmeter-model-requested"
MODEL_USED_HEADER = b"x-modelmeter-model-used"
DOWNGRADED_BY_HEADER = b"x-modelmeter-downgraded-by"
LIMIT_HEADER = b"x-modelmeter-output-limit"
"""The limit of output tokens that was set for the caller."""
LIMIT_FOR_HEADER = b"x-modelmeter-output-limit-for"
"""The budget to whose rest the limit was lowered."""

Headers = list[tuple[bytes, bytes]]


def model_told(opening: CallOpening) -> Headers:
    """That another model is asked than was requested, if one is."""
    if opening.downgraded_by is None:
        return []
    told = (
        (MODEL_REQUESTED_HEADER, opening.model_requested),
        (MODEL_USED_HEADER, opening.model),
        (DOWNGRADED_BY_HEADER, opening.downgraded_by),
    )
    return [(name, _header_text(value)) for name, value in told if value is not None]


def limit_told(bounded: Bounded) -> Headers:
    """That the output is limited, if the limit is not the caller's own."""
    if bounded.output_limit is None:
        return []
    told = [(LIMIT_HEADER, str(bounded.output_limit).encode())]
    if bounded.limit_for is not None:
        told.append((LIMIT_FOR_HEADER, bounded.limit_for.encode()))
    return told


def _header_text(value: str) -> bytes:
    """Names are printable, but need not be ASCII."""
    return value.encode("ascii", "backslashreplace")
