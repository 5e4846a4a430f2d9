"""Where a request in OpenAI's dialect has its limit of output tokens."""

import re

from modelmeter.providers.contract import RequestFacts
from modelmeter.providers.output_limit import Place, limited
from modelmeter.record import Operation

__all__ = ["limit_openai_output"]

_PLACES: dict[Operation, tuple[Place, ...]] = {
    Operation.RESPONSES: (("max_output_tokens",),),
    Operation.TEXT_COMPLETION: (("max_tokens",),),
}
_OF_CHAT: tuple[Place, ...] = (("max_completion_tokens",), ("max_tokens",))
_OPENAI_MODEL = re.compile(r"(ft:)?(gpt-|chatgpt-|o\d)")
"""
OpenAI's newer models refuse ``max_tokens``; others' servers know no other name
(https://platform.openai.com/docs/api-reference/chat/create).
"""


def limit_openai_output(request: RequestFacts, tokens: int) -> RequestFacts:
    """
    See `modelmeter.providers.Dialect.limit_output`.

    Raises:
        RefusedRequestError: the body cannot be read.
    """
    places = _PLACES.get(request.operation)
    if places is None:
        places = _OF_CHAT if _OPENAI_MODEL.match(request.model) else _OF_CHAT[::-1]
    return limited(request, places, tokens)
