"""A conversation with a model in no provider's words: what OpenAI's chat requests come down to."""

from typing import Literal, Protocol

import msgspec

from modelmeter.errors import RefusedRequestError, UpstreamError
from modelmeter.record import ErrorType

__all__ = [
    "AnswerReader",
    "AnyTool",
    "Conversation",
    "FinishReason",
    "Image",
    "NamedTool",
    "Part",
    "Piece",
    "Sampling",
    "Text",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "ToolSpec",
    "Turn",
    "Written",
    "broken_off",
    "unreadable",
    "unsupported",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Text(msgspec.Struct, frozen=True):
    """Words."""

    text: str


class Image(msgspec.Struct, frozen=True):
    """A picture: its own bytes, or where they are."""

    media_type: str = ""
    data: str = ""
    """Base64."""
    url: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """A model's wish to have a tool called."""

    id: str
    name: str
    arguments: dict[str, object]
    signature: str | None = None
    """Gemini's proof of its thoughts, to be given back with the call."""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool gave."""

    id: str
    name: str
    text: str


Part = Text | Image | ToolCall | ToolResult


class Turn(msgspec.Struct, frozen=True):
    """What one side said before the other spoke; results of tools are the user's."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool that the model may call."""

    name: str
    description: str | None
    parameters: dict[str, object]
    """JSON schema of an object."""
    strict: bool = False
    """The arguments must fit the schema, not only be meant to."""


class AnyTool(msgspec.Struct, frozen=True):
    """The model must call a tool."""


class NamedTool(msgspec.Struct, frozen=True):
    """The model must call this tool."""

    name: str


ToolChoice = Literal["auto", "none"] | AnyTool | NamedTool


class Sampling(msgspec.Struct, frozen=True):
    """How the answer is drawn; None: as the provider does it."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class Conversation(msgspec.Struct, frozen=True):
    """One request."""

    system: tuple[str, ...]
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    json_schema: dict[str, object] | None = None
    """The answer is JSON of this schema; an empty one: any object."""
    json_strict: bool = False
    """The answer must fit the schema, not only be meant to."""
    sampling: Sampling = Sampling()
    streamed: bool = False


class Written(msgspec.Struct, frozen=True):
    """A whole answer."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason


class Piece(msgspec.Struct, frozen=True):
    """A piece of a streamed answer: some text, the start or a part of a tool's call, or its end."""

    text: str = ""
    tool_index: int | None = None
    """Counts the answer's calls from 0."""
    tool_id: str = ""
    tool_name: str = ""
    arguments: str = ""
    """JSON text; a call's pieces joined are the whole."""
    signature: str | None = None
    finish_reason: FinishReason | None = None


class AnswerReader(Protocol):
    """Reads one good answer of a provider; made anew for each."""

    def read_whole(self, body: bytes) -> Written:
        """
        An answer in one body.

        Raises:
            UpstreamError: it cannot be read.
        """
        ...

    def feed(self, chunk: bytes) -> list[Piece]:
        """
        The pieces that the next bytes of a stream complete.

        Raises:
            UpstreamError: they cannot be read, or the provider reports an error in the stream.
        """
        ...

    def end(self) -> list[Piece]:
        """
        The pieces that were held back until the body's end.

        Raises:
            UpstreamError: the stream broke off before its proper end.
        """
        ...


def unsupported(provider: str, what: str, instead: str = "") -> RefusedRequestError:
    """The refusal of what a provider cannot do."""
    hint = f"; {instead}" if instead else ""
    return RefusedRequestError(f"{provider} cannot do {what}{hint}", code="unsupported_parameter")


def unreadable(provider: str, error: Exception) -> UpstreamError:
    """The fault of an answer that is not what its provider's API says."""
    return UpstreamError(
        f"the answer of {provider} cannot be read: {error}", error_type=ErrorType.BAD_RESPONSE
    )


def broken_off() -> UpstreamError:
    """The fault of a stream whose end is missing."""
    return UpstreamError("the stream broke off before its end", error_type=ErrorType.CONNECTION)
