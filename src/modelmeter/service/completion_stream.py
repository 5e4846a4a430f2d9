"""A streamed answer for Python: its text as it comes, and at the end the whole of it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

import msgspec

from modelmeter.errors import LLMServiceError, WireError
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import ErrorType
from modelmeter.service.caching import Reply
from modelmeter.service.completion import CalledTool, Completion, metered
from modelmeter.service.failures import service_error
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["CompletionStream"]

_DONE = b"[DONE]"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolDelta(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None
    extra_content: dict[str, dict[str, object]] | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolDelta] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Fault(msgspec.Struct):
    message: str = "the stream ended with an error"
    code: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: _Fault | None = None


class _Call(msgspec.Struct):
    """A tool's call as far as it has come."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None


_decoder = msgspec.json.Decoder(_Chunk)


class CompletionStream:
    """
    Iterate over it for pieces of text; afterwards `completion` is the whole answer.

    Whoever stops before the end closes it, best by ``async with``: its call is settled then, with
    what had come.
    """

    def __init__(self, reply: Reply, attempts: int) -> None:
        self._reply = reply
        self._attempts = attempts
        self._chunks: AsyncGenerator[bytes, None] = reply.chunks()
        self._text: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._finish = "stop"
        self._decoder = ServerSentEventDecoder()
        self._ready: deque[str] = deque()
        self._loop = asyncio.get_running_loop()

    @property
    def completion(self) -> Completion:
        """
        The whole answer; of a stream that was closed before its end, what had come.

        Raises:
            LLMServiceError: the stream is still under way.
        """
        call = self._reply.outcome
        if call is None:
            raise LLMServiceError(
                "the stream is under way: read it to its end, or close it",
                error_type=ErrorType.INVALID_REQUEST,
            )
        calls = tuple(
            CalledTool(one.id, one.name, one.arguments, one.signature)
            for _, one in sorted(self._calls.items())
        )
        facts = metered(call, self._attempts)
        return Completion("".join(self._text), calls, self._finish, facts)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """
        The next piece of text.

        Raises:
            LLMServiceError: the answer broke off.
            LedgerError: the outcome is not on the disk.
        """
        while not self._ready:
            chunk = await anext(self._chunks)
            try:
                for event in self._decoder.feed(chunk):
                    if event.data and event.data != _DONE:
                        self._take(_decoder.decode(event.data))
            except LLMServiceError:
                await self.close()
                raise
            except (WireError, *UNREADABLE) as error:
                await self.close()
                raise self._error(
                    f"an event of the stream cannot be read: {error}", ErrorType.BAD_RESPONSE
                ) from error
        return self._ready.popleft()

    async def close(self) -> None:
        """Settle the call, if it is not yet, and give the connection back."""
        await self._chunks.aclose()
        # An answer that was never begun to be read has not noticed that.
        await self._reply.abandon()

    def __del__(self) -> None:
        """What was never begun to be read, no generator notices: it is settled here."""
        if self._reply.outcome is None and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._reply.abandon(), self._loop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _take(self, chunk: _Chunk) -> None:
        fault = chunk.error
        if fault is not None:
            known = fault.code in frozenset(ErrorType)
            kind = ErrorType(fault.code or "") if known else ErrorType.SERVER_ERROR
            raise self._error(fault.message, kind)
        for choice in chunk.choices:
            if choice.index:
                # Of several answers the first is given, as by `LLMService.complete`.
                continue
            self._finish = choice.finish_reason or self._finish
            if choice.delta is None:
                continue
            for call in choice.delta.tool_calls or ():
                self._take_call(call)
            text = choice.delta.content or choice.delta.refusal
            if text:
                self._text.append(text)
                self._ready.append(text)

    def _error(self, message: str, error_type: ErrorType) -> LLMServiceError:
        provider = self._reply.target.provider
        return service_error(
            f"{provider}: {message}",
            error_type=error_type,
            provider=provider,
            call_id=self._reply.call_id,
        )

    def _take_call(self, delta: _ToolDelta) -> None:
        call = self._calls.setdefault(delta.index, _Call())
        call.id = delta.id or call.id
        if delta.function is not None:
            call.name = delta.function.name or call.name
            call.arguments += delta.function.arguments or ""
        signature = (delta.extra_content or {}).get("google", {}).get("thought_signature")
        if isinstance(signature, str):
            call.signature = signature
