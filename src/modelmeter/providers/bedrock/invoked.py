"""
What invoked models write, whole or in chunks: each maker has a shape of its own.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import msgspec

from modelmeter.providers.bodies import ABSENT, is_absent

__all__ = ["InvokedBody", "parts_length", "read_invoked", "text_length"]


class InvokedBody(msgspec.Struct, frozen=True):
    """
    The fields of all makers that tell what was written and used; most are absent.

    Another maker may use one of these names for something else, so nothing here has a type that
    could fail.
    """

    type: object = None
    """Claude's only: the name of its event, or ``message``."""
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
    titan_output: object = msgspec.field(default=None, name="totalOutputTextTokenCount")
    """In chunks; a whole answer counts each of its ``results``."""
    generation: object = None
    completion: object = None
    text: object = None
    output_text: object = msgspec.field(default=None, name="outputText")
    results: msgspec.Raw = ABSENT
    outputs: msgspec.Raw = ABSENT
    choices: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    block_delta: msgspec.Raw = msgspec.field(default=ABSENT, name="contentBlockDelta")


class _Said(msgspec.Struct):
    content: object = None
    reasoning_content: object = None


class _Part(msgspec.Struct):
    text: object = None
    output_text: object = msgspec.field(default=None, name="outputText")
    message: _Said | None = None
    delta: _Said | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    text: object = None
    reasoning_text: "_Reasoning | None" = None


class _ToolUse(msgspec.Struct):
    input: object = None


class _Block(msgspec.Struct, rename="camel"):
    text: object = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None


class _BlockDelta(msgspec.Struct):
    delta: _Block = _Block()


class _Message(msgspec.Struct):
    content: list[_Block] = msgspec.field(default_factory=list)


class _Output(msgspec.Struct):
    message: _Message | None = None


_body_decoder = msgspec.json.Decoder(InvokedBody)
_parts_decoder = msgspec.json.Decoder(list[_Part])
_output_decoder = msgspec.json.Decoder(_Output)
_delta_decoder = msgspec.json.Decoder(_BlockDelta)
