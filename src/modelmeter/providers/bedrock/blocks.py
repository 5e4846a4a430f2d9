"""
How much text stands in the content blocks of Converse, which Nova's own format shares.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

import msgspec

__all__ = ["delta_length", "output_length"]


class _Reasoning(msgspec.Struct, rename="camel"):
    text: object = None
    """In a stream; a whole block holds it one level deeper."""
    reasoning_text: "_Reasoning | None" = None


class _ToolUse(msgspec.Struct):
    input: object = None
    """A piece of JSON in a stream, the value itself in a whole block."""


class _Block(msgspec.Struct, rename="camel"):
    text: object = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None


class _DeltaEvent(msgspec.Struct):
    delta: _Block | None = None


class _Message(msgspec.Struct):
    content: list[_Block] | None = None


class _Output(msgspec.Struct):
    message: _Message | None = None


_delta_decoder = msgspec.json.Decoder(_DeltaEvent)
_output_decoder = msgspec.json.Decoder(_Output)


def delta_length(event: bytes | msgspec.Raw) -> int:
    """
    The characters that a ``contentBlockDelta`` adds.

    Raises:
        msgspec.DecodeError: it is not one.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested too deeply.
    """
    delta = _delta_decoder.decode(event).delta
    return 0 if delta is None else _length(delta)


def output_length(output: bytes | msgspec.Raw) -> int:
    """
    The characters of a whole ``output``.

    Raises:
        msgspec.DecodeError: it is not one.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested too deeply.
    """
    message = _output_decoder.decode(output).message
    if message is None or message.content is None:
        return 0
    return sum(_length(block) for block in message.content)


def _length(block: _Block) -> int:
    length = len(block.text) if isinstance(block.text, str) else 0
    reasoning = block.reasoning_content
    if reasoning is not None:
        inner = reasoning.reasoning_text or reasoning
        length += len(inner.text) if isinstance(inner.text, str) else 0
    if block.tool_use is not None and block.tool_use.input is not None:
        given = block.tool_use.input
        length += len(given) if isinstance(given, str) else len(msgspec.json.encode(given))
    return length
