"""What passes between a provider's wire format and the simulated model behind it."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import msgspec

from modelmeter.errors import ModelmeterError
from modelmeter.record import ErrorType, Operation, TokenCounts
from modelmeter.simulator.directive import NOTHING_ASKED, Directive
from modelmeter.simulator.words import Ids

__all__ = [
    "Answer",
    "Ask",
    "Fault",
    "FaultError",
    "Finish",
    "Frame",
    "Framing",
    "Headers",
    "HttpRequest",
    "Plain",
    "ProviderWire",
    "Surface",
    "Tool",
    "ToolCall",
]

Headers = tuple[tuple[bytes, bytes], ...]
Finish = Literal["stop", "length", "tool", "filtered"]


class HttpRequest(msgspec.Struct, frozen=True):
    """One request under a provider's prefix."""

    method: str
    segments: tuple[str, ...]
    """The path behind the provider's prefix, parted at slashes, then percent-decoded."""
    raw_path: bytes
    query: bytes
    headers: dict[str, str]
    """Names in lower case; of a repeated header the last."""
    body: bytes


class Tool(msgspec.Struct, frozen=True):
    """A tool the model may call."""

    name: str
    schema: object


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model makes."""

    name: str
    arguments: object
    pieces: tuple[str, ...]
    """The arguments as JSON, a token each."""


class Ask(msgspec.Struct, frozen=True):
    """A request in words that fit every provider."""

    operation: Operation
    model: str
    streamed: bool = False
    input_tokens: int = 0
    """All tokens of the prompt, cached or not."""
    image_tokens: int = 0
    """Further tokens, of images."""
    output_tokens_max: int | None = None
    choices: int = 1
    tools: tuple[Tool, ...] = ()
    tool_wanted: bool = False
    json_schema: object = None
    json_wanted: bool = False
    usage_in_stream: bool = False
    """OpenAI's ``stream_options.include_usage``."""
    cache_ttl: Literal["5m", "1h"] | None = None
    """The prompt names a part to be cached, for this long."""
    thinking: bool = False
    service_tier: str | None = None
    embedded_texts: int = 0
    dimensions: int = 0
    vectors_as_base64: bool = False


class Fault(msgspec.Struct, frozen=True):
    """A failure to answer with; each provider has its own status, words and shape for it."""

    error_type: ErrorType
    http_status: int | None = None
    """None: the provider's usual one."""
    message: str | None = None
    retry_after: str | None = None


class FaultError(ModelmeterError):
    """The request fails; carries the `Fault` to answer with."""

    code = "simulated_fault"

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message or fault.error_type.value)
        self.fault = fault


class Answer(msgspec.Struct, frozen=True):
    """What the simulated model answers."""

    ids: Ids
    created: int
    """UTC, seconds since 1970."""
    tokens: TokenCounts
    pieces: tuple[str, ...]
    """The text, a token each; empty when a tool is called."""
    tool: ToolCall | None
    finish: Finish
    vectors_seed: int
    first_token_seconds: float
    token_seconds: float
    directive: Directive = NOTHING_ASKED

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def latency_ms(self) -> int:
        """How long the whole answer takes by its own pace."""
        tokens = self.tokens.output + self.tokens.reasoning
        return max(1, round((self.first_token_seconds + tokens * self.token_seconds) * 1000))


class Frame(NamedTuple):
    """One event of a stream."""

    event: str
    payload: dict[str, object]
    tokens: int = 0
    """Tokens of the answer that it carries; each takes its time."""


class Framing(Protocol):
    """How events become bytes."""

    content_type: bytes
    opening: bytes
    separator: bytes
    closing: bytes

    def frame(self, event: str, payload: bytes) -> bytes:
        """Write one event; ``payload`` is JSON."""
        ...

    def fault(self, status: int, name: str, payload: bytes) -> bytes:
        """Write an error into a stream that already runs."""
        ...


class Surface(Protocol):
    """One operation of a provider."""

    operation: Operation

    def read(self, request: HttpRequest) -> Ask:
        """
        Read what a request asks for.

        Raises:
            FaultError: the provider would refuse it.
        """
        ...

    def response_id(self, ids: Ids) -> str | None:
        """The id in the body, or None where the provider gives none."""
        ...

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write the whole answer."""
        ...

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the answer as a stream; only for an ask that is streamed."""
        ...

    def framing(self, request: HttpRequest) -> Framing:
        """How this stream's events become bytes."""
        ...


class Plain(msgspec.Struct, frozen=True):
    """An answer that involves no model: a list of models, a count of tokens."""

    payload: dict[str, object]


class ProviderWire(Protocol):
    """One provider's wire format."""

    name: str
    json_type: bytes
    """The content type of its JSON."""

    def route(self, request: HttpRequest) -> Surface | Plain | None:
        """
        Find the operation of a request, or None.

        Raises:
            FaultError: the request is one that involves no model, and is refused.
        """
        ...

    def request_id(self, ids: Ids) -> str:
        """The id that the provider's headers carry."""
        ...

    def credential(self, request: HttpRequest) -> str | None:
        """The API key (or access key id) that came with a request."""
        ...

    def headers(self, ids: Ids, ask: Ask | None, answer: Answer | None) -> Headers:
        """The headers of a good answer, but for its type and length."""
        ...

    def status(self, fault: Fault) -> int:
        """The HTTP status of a failure."""
        ...

    def fault(self, fault: Fault, request: HttpRequest, ids: Ids) -> tuple[Headers, bytes]:
        """Headers (the type among them) and body of a failure."""
        ...

    def fault_in_stream(self, fault: Fault, framing: Framing, ids: Ids) -> bytes:
        """The same failure inside a stream."""
        ...
