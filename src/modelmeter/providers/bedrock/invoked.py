"""
What invoked models write, whole or in chunks: each maker has a shape of its own.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import msgspec

from modelmeter.providers.bedrock.blocks import delta_length, output_length
from modelmeter.providers.bodies import ABSENT, is_absent

__all__ = ["InvokedBody", "model_behind", "read_invoked", "text_length"]


class InvokedBody(msgspec.Struct, frozen=True):
    """
    The fields that tell what was written and used, of all makers; most are absent.

    One maker may use another's name for something else, so no field has a type that could fail.
    """

    type: object = None
    """Claude's only: the name of an event, or ``message``."""
    id: object = None
    model: object = None
    usage: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    """Nova's last event."""
    metrics: msgspec.Raw = msgspec.field(default=ABSENT, name="amazon-bedrock-invocationMetrics")
    """Bedrock's own counts, in the last chunk of a stream."""
    llama_input: object = msgspec.field(default=None, name="prompt_token_count")
    llama_output: object = msgspec.field(default=None, name="generation_token_count")
    titan_input: object = msgspec.field(default=None, name="inputTextTokenCount")
    generation: object = None
    completion: object = None
    text: object = None
    titan_text: object = msgspec.field(default=None, name="outputText")
    results: msgspec.Raw = ABSENT
    outputs: msgspec.Raw = ABSENT
    choices: msgspec.Raw = ABSENT
    generations: msgspec.Raw = ABSENT
    """Cohere Command's, in a stream too if its request does not ask for one."""
    output: msgspec.Raw = ABSENT
    block_delta: msgspec.Raw = msgspec.field(default=ABSENT, name="contentBlockDelta")


class _Said(msgspec.Struct):
    content: object = None
    reasoning_content: object = None
    tool_calls: object = None


class _Part(msgspec.Struct):
    text: object = None
    titan_text: object = msgspec.field(default=None, name="outputText")
    message: _Said | None = None
    delta: _Said | None = None


_body_decoder = msgspec.json.Decoder(InvokedBody)
_parts_decoder = msgspec.json.Decoder(list[_Part])


def read_invoked(body: bytes) -> InvokedBody:
    """
    Read an answer or the JSON of one chunk.

    Raises:
        msgspec.DecodeError: it is no JSON object.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested too deeply.
    """
    return _body_decoder.decode(body)


def model_behind(requested: str, answered: object) -> str | None:
    """
    The model that answered, by the name that Bedrock prices.

    Bodies have its maker's name, which lacks what a price depends on: ``claude-sonnet-4-5`` may
    be Bedrock's ``anthropic.…``, ``us.anthropic.…`` or ``global.anthropic.…``. It says something
    new only where the request named a profile or router that hides the model.
    """
    if not isinstance(answered, str) or not answered:
        return None
    return requested if answered in requested else answered


def text_length(body: InvokedBody) -> int:
    """The characters of the text in an answer or chunk of any maker but Anthropic."""
    length = _lengths(body.generation, body.completion, body.text, body.titan_text)
    for parts in (body.results, body.outputs, body.choices, body.generations):
        if not is_absent(parts):
            length += _parts_length(parts)
    try:
        if not is_absent(body.output):
            length += output_length(body.output)
        if not is_absent(body.block_delta):
            length += delta_length(body.block_delta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return length
    return length


def _parts_length(parts: msgspec.Raw) -> int:
    try:
        decoded = _parts_decoder.decode(parts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    length = 0
    for part in decoded:
        length += _lengths(part.text, part.titan_text)
        for said in (part.message, part.delta):
            if said is not None:
                length += _lengths(said.content, said.reasoning_content)
                length += _arguments_length(said.tool_calls)
    return length


def _arguments_length(calls: object) -> int:
    """The characters that a model wrote to call tools, as chat completions have them."""
    if not isinstance(calls, list):
        return 0
    functions = [call.get("function") for call in calls if isinstance(call, dict)]
    return _lengths(*(made.get("arguments") for made in functions if isinstance(made, dict)))


def _lengths(*texts: object) -> int:
    return sum(len(text) for text in texts if isinstance(text, str))
