"""The temperature a request asks for, wherever its dialect puts it."""

import msgspec

from modelmeter.providers.bodies import UNREADABLE

__all__ = ["DEFAULT_TEMPERATURE", "request_temperature"]

DEFAULT_TEMPERATURE = 1.0
"""
What a request without one gets from most models.

Sources: https://platform.openai.com/docs/api-reference/chat/create,
https://docs.anthropic.com/en/api/messages
"""


class _Inner(msgspec.Struct):
    temperature: object = None


class _Request(msgspec.Struct):
    temperature: object = None
    """OpenAI, Anthropic, and most models behind Bedrock's InvokeModel."""
    genai: _Inner | None = msgspec.field(default=None, name="generationConfig")
    genai_proto: _Inner | None = msgspec.field(default=None, name="generation_config")
    """Google takes the names of its protocol buffers too."""
    converse: _Inner | None = msgspec.field(default=None, name="inferenceConfig")
    """Bedrock's Converse, and Amazon Nova."""
    titan: _Inner | None = msgspec.field(default=None, name="textGenerationConfig")


_decoder = msgspec.json.Decoder(_Request)


def request_temperature(body: bytes) -> float:
    """The temperature in a request's body; `DEFAULT_TEMPERATURE` if it names none."""
    try:
        request = _decoder.decode(body)
    except UNREADABLE:
        return DEFAULT_TEMPERATURE
    inner = (request.genai, request.genai_proto, request.converse, request.titan)
    named = [request.temperature, *(config.temperature for config in inner if config is not None)]
    found = [float(value) for value in named if isinstance(value, int | float)]
    return max(found, default=DEFAULT_TEMPERATURE)
