"""What the gateway asks of a provider's dialect: pure functions from bytes to facts."""

from typing import Protocol

import msgspec

from modelmeter.providers.demand import RequestDemand
from modelmeter.providers.framing import Framing
from modelmeter.record import NO_TOOLS, ErrorType, Operation, TokenCounts, ToolCalls

__all__ = ["AnswerHead", "Dialect", "RequestFacts", "ResponseFacts", "ResponseObserver"]


class RequestFacts(msgspec.Struct, frozen=True):
    """What a metered request asks for."""

    operation: Operation
    model: str
    """As requested; 1 to 2,048 printable characters."""
    streamed: bool
    output_tokens_max: int | None
    """The request's own limit of output tokens for each answer, or None."""
    upstream_body: bytes
    """What to send: the caller's own bytes unless usage has to be asked for."""
    hides_usage_chunk: bool = False
    """The usage of a stream was asked for by us, so the caller must not see its chunk."""
    answers: int = 1
    """How many answers it asks for."""


class AnswerHead(msgspec.Struct, frozen=True):
    """An answer's status and headers; names in lower case."""

    http_status: int
    headers: list[tuple[bytes, bytes]] = []

    def header(self, name: bytes) -> str:
        """The first value of a header; empty if there is none."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    @property
    def content_type(self) -> str:
        """In lower case, with its parameters."""
        return self.header(b"content-type").lower()


class ResponseFacts(msgspec.Struct, frozen=True):
    """What an answer said, as far as it came."""

    model_answered: str | None = None
    tokens: TokenCounts | None = None
    """The provider's own counts, disjoint; None if it reported none that can be believed."""
    ended: bool = False
    """The answer came to its proper end."""
    is_written: bool = False
    """The model has said that it is done: of a stream only its end mark may be missing."""
    goes_on: bool = False
    """The provider works on behind the answer, and what it uses then is in none that is seen."""
    error_type: ErrorType | None = None
    output_characters: int = 0
    """Text seen so far: what an estimate rests on when no counts came."""
    first_text: bytes = b""
    """The first part that had text, of a stream whose shape nothing but its parts tell."""
    provider_request_id: str | None = None
    """The id in the body; headers are the gateway's to read."""
    service_tier: str | None = None
    """The tier that served the call, where the provider says so."""
    region: str | None = None
    """Where it was served, where the answer says so and the price depends on it."""
    tools: ToolCalls = NO_TOOLS
    """Tools the provider ran and bills beside the tokens."""
    note: str | None = None
    """Why the counts cannot be believed, for people."""


class ResponseObserver(Protocol):
    """Watches one answer go by; never raises, whatever the bytes."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes from upstream and give those to forward (mostly the same)."""
        ...

    def end(self) -> bytes:
        """Upstream's body is over: give what was still held back."""
        ...

    @property
    def finished(self) -> bool:
        """The stream's own end mark went by; for a plain body False until `end`."""
        ...

    def facts(self) -> ResponseFacts:
        """What is known so far; callable at any time."""
        ...


class Dialect(Protocol):
    """One provider's wire format. ``path`` never holds the gateway's prefix and starts with /."""

    def operation(self, method: str, path: str) -> Operation | None:
        """Which metered operation this is, or None for one that is only relayed."""
        ...

    def names_operation(self, plain_path: str) -> bool:
        """Whether ``plain_path``, in the form of `plain_path`, is a metered operation's."""
        ...

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """
        Read what a metered request asks for.

        Raises:
            RefusedRequestError: the body is not JSON that all read alike, names no usable
                model, or sets an impossible limit.
        """
        ...

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """
        Bound what a request can use whose body goes upstream like this.

        Raises:
            RefusedRequestError: a field that multiplies the cost has no sensible value.
        """
        ...

    def limit_output(self, request: RequestFacts, tokens: int) -> RequestFacts:
        """
        The request with its limit of output at ``tokens`` (1 or more).

        Raises:
            RefusedRequestError: the body has no place for a limit.
        """
        ...

    def ask_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """
        The path and body of the same request to another model.

        Raises:
            RefusedRequestError: the body is no JSON object.
        """
        ...

    def observe(self, request: RequestFacts, head: AnswerHead) -> ResponseObserver:
        """Make the observer for the answer to ``request``."""
        ...

    def framing(self, head: AnswerHead) -> Framing | None:
        """The parts of the answer to a request that asked for a stream; None: it has none."""
        ...

    def final_event(self, request: RequestFacts, head: AnswerHead, seen: ResponseFacts) -> bytes:
        """What ends a stream that is cut behind a part, as one that met its limit of output."""
        ...

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """An error in the provider's own shape, so that its SDK raises what it should."""
        ...

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """Headers that the provider's SDK reads errors from (content-type included)."""
        ...
