"""
One API for all providers, in OpenAI's shape: ``/v1``.

https://platform.openai.com/docs/api-reference
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from math import ceil
from urllib.parse import unquote

import msgspec

from modelmeter.errors import LLMServiceError, RefusedRequestError
from modelmeter.gateway.answer_keeper import CACHE_HEADER, header_of_miss
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.client_side import ClientGoneError, ClientSide
from modelmeter.gateway.door import Door
from modelmeter.gateway.outbound import Outbound
from modelmeter.gateway.refusals import (
    CALL_ID_HEADER,
    CALLER_TOO_SLOW,
    RefusalCounts,
    log_cut,
    send_error,
)
from modelmeter.gateway.relay import REFUSED, refusal_of, require_json
from modelmeter.gateway.unified_sender import UnifiedSender
from modelmeter.gateway.upstream import Upstream
from modelmeter.meter import Meter
from modelmeter.providers import dialect_for
from modelmeter.providers.one_reading import fields_of
from modelmeter.record import Caller, Clock, ErrorType, Operation
from modelmeter.service.caching import CachingRouter, Reply
from modelmeter.service.model_list import model_list, model_named
from modelmeter.service.router import Errand
from modelmeter.service.wire_request import Asked
from modelmeter.settings.limits import Limits
from modelmeter.wire.header_rules import clean_identifier

__all__ = ["UNIFIED_PREFIX", "Unified", "UnifiedParts"]

UNIFIED_PREFIX = b"/v1/"

_OPERATIONS = {
    b"/v1/chat/completions": Operation.CHAT,
    b"/v1/embeddings": Operation.EMBEDDINGS,
}
_MODELS = b"/v1/models"
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_PROVIDER_HEADER = b"x-modelmeter-provider"
_MODEL_HEADER = b"x-modelmeter-model"
_ATTEMPTS_HEADER = b"x-modelmeter-attempts"
_STATUS_OF = {
    ErrorType.TIMEOUT: 504,
    ErrorType.CIRCUIT_OPEN: 503,
    ErrorType.OVERLOADED: 503,
}
_BAD_GATEWAY = 502
_NOT_IN_HTTP = 529
"""Anthropic's own status for being overloaded."""
_HTTP_ERROR = 400
_dialect = dialect_for("openai")


class UnifiedParts(msgspec.Struct, frozen=True):
    """What the unified API is put together from."""

    doors: Mapping[str, Door]
    """By provider."""
    caller_of: Callable[[ClientSide], Caller]
    outbound: Outbound
    upstream: Upstream
    meter: Meter
    answers: CachingRouter
    models_of: Callable[[str], list[str]]
    """The models of a provider that have a known price."""
    limits: Limits
    clock: Clock
    refusals: RefusalCounts


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Head(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class Unified:
    """Serves chat completions, embeddings and the list of models."""

    def __init__(self, parts: UnifiedParts) -> None:
        self._parts = parts

    async def serve(self, client: ClientSide) -> None:
        """Answer one request; errors have OpenAI's shape."""
        try:
            await self._serve(client)
        except ClientGoneError:
            return
        except LLMServiceError as error:
            most = self._parts.limits.retry_after_seconds_max
            await self._refuse(client, _refusal_of_failure(error, most), call_id=error.call_id)
        except REFUSED as error:
            refusal, told = refusal_of(error)
            await self._refuse(client, refusal, told=told)

    async def _serve(self, client: ClientSide) -> None:
        parts = self._parts
        began_ns = parts.clock.monotonic_ns()
        caller = parts.caller_of(client)
        path, method = client.scope["raw_path"], client.scope["method"]
        operation = _OPERATIONS.get(path)
        if path == _MODELS or path.startswith(_MODELS + b"/"):
            await self._models(client, path)
            return
        if operation is None or method != "POST":
            raise RefusedRequestError(
                "served here are POST /v1/chat/completions, POST /v1/embeddings and GET /v1/models",
                code="not_found",
                http_status=404,
            )
        body = await client.read_body(
            bytes_max=parts.limits.body_bytes_max,
            timeout_seconds=parts.limits.body_timeout_seconds,
        )
        require_json(client)
        asked = _asked(operation, body)
        named_itself = len(parts.answers.router.routes.targets(asked.model)) == 1
        sender = UnifiedSender(
            client,
            parts.doors,
            parts.outbound,
            parts.upstream,
            passes_key=named_itself and parts.outbound.passes_keys,
        )
        request_id = header(client.headers, b"x-request-id")
        errand = Errand(
            caller=caller,
            meter=parts.meter,
            sender=sender,
            began_ns=began_ns,
            request_id=None if request_id is None else clean_identifier(request_id),
            principal=sender.principal,
            cache_control=header(client.headers, b"cache-control"),
            still_wanted=client.require_there,
        )
        await self._answer(client, asked, errand)

    async def _answer(self, client: ClientSide, asked: Asked, errand: Errand) -> None:
        loop = asyncio.get_running_loop()
        limits = self._parts.limits
        try:
            async with asyncio.timeout(None) as patience:

                def left() -> None:
                    patience.reschedule(loop.time() + limits.drain_after_disconnect_seconds)

                client.watch(left)
                reply = await self._parts.answers.answer(asked, errand)
                headers = _headers(reply, errand)
                if asked.streamed:
                    try:
                        async with aclosing(reply.chunks()) as chunks:
                            await self._stream(client, reply, chunks, headers)
                    finally:
                        await reply.abandon()
                elif not client.gone:
                    await client.answer(200, [_JSON, *headers], reply.body)
        except LLMServiceError:
            # One of them is a TimeoutError too: the provider's, not ours.
            raise
        except TimeoutError:
            # The caller left, or does not read; its call is settled by now.
            client.abort()
        finally:
            client.unwatch()

    async def _stream(
        self,
        client: ClientSide,
        reply: Reply,
        chunks: AsyncGenerator[bytes, None],
        headers: Headers,
    ) -> None:
        """When the caller leaves, the rest is read on within bounds, for its usage comes last."""
        if not client.gone:
            await client.start(200, [_EVENTS, (b"cache-control", b"no-cache"), *headers])
        try:
            await self._pass_on(client, reply, chunks)
        except (TimeoutError, *REFUSED) as error:
            if client.is_cut:
                slow = isinstance(error, TimeoutError)
                reason = CALLER_TOO_SLOW if slow else refusal_of(error)[0].refusal_code
                target = reply.target
                log_cut(reason, target.provider, call_id=reply.call_id, model=target.model)
            raise

    async def _pass_on(
        self, client: ClientSide, reply: Reply, chunks: AsyncGenerator[bytes, None]
    ) -> None:
        limits = self._parts.limits
        drained = 0
        async for chunk in chunks:
            if client.gone:
                reply.caller_left()
                drained += len(chunk)
                if drained > limits.drain_after_disconnect_bytes_max:
                    return
                continue
            async with asyncio.timeout(limits.upstream_idle_timeout_seconds):
                await client.write(chunk)
        if not client.gone:
            await client.finish()

    async def _models(self, client: ClientSide, path: bytes) -> None:
        if client.scope["method"] not in ("GET", "HEAD"):
            raise RefusedRequestError("only GET", code="method_not_allowed", http_status=405)
        routes = self._parts.answers.router.routes
        if path == _MODELS:
            found: object = model_list(routes, self._parts.doors, self._parts.models_of)
        else:
            name = unquote(path.removeprefix(_MODELS + b"/").decode("ascii", "replace"))
            found = model_named(routes, name)
        await client.answer(200, [_JSON], msgspec.json.encode(found))

    async def _refuse(
        self,
        client: ClientSide,
        refusal: RefusedRequestError,
        *,
        call_id: str | None = None,
        told: Headers | None = None,
    ) -> None:
        self._parts.refusals.add(refusal.refusal_code)
        if client.started or client.gone:
            return
        with contextlib.suppress(ClientGoneError):
            await send_error(
                client,
                _dialect,
                refusal.message,
                code=refusal.refusal_code,
                http_status=refusal.http_status,
                retry_after_seconds=refusal.retry_after_seconds,
                call_id=call_id,
                told=told,
            )


def _asked(operation: Operation, body: bytes) -> Asked:
    fields = fields_of(body)
    try:
        head = msgspec.convert(fields, _Head)
    except msgspec.ValidationError as error:
        raise RefusedRequestError(f"the request's body: {error}") from error
    options = head.stream_options
    return Asked(
        operation=operation,
        model=head.model,
        body=body,
        fields=fields,
        streamed=bool(head.stream) and operation is Operation.CHAT,
        wants_usage=options is not None and bool(options.include_usage),
    )


def _headers(reply: Reply, errand: Errand) -> Headers:
    """What answered, after how many attempts, and whether it was in the cache."""
    headers = [
        (CALL_ID_HEADER, reply.call_id.encode()),
        (_PROVIDER_HEADER, reply.target.provider.encode()),
        (_MODEL_HEADER, reply.target.model.encode("ascii", "replace")),
        (_ATTEMPTS_HEADER, str(errand.attempts).encode()),
    ]
    if reply.age_seconds is not None:
        headers += [(CACHE_HEADER, b"hit"), (b"age", b"%d" % reply.age_seconds)]
    elif errand.cache_miss is not None:
        headers.append(header_of_miss(errand.cache_miss))
    return headers + errand.told


def _refusal_of_failure(
    error: LLMServiceError, retry_after_seconds_max: float
) -> RefusedRequestError:
    """The provider's own status where it gave one, and its wish when to be asked again, bounded."""
    kind = ErrorType(error.error_type)
    status = error.http_status
    if status is None or status < _HTTP_ERROR or status == _NOT_IN_HTTP:
        status = _STATUS_OF.get(kind, _BAD_GATEWAY)
    after = error.retry_after_seconds
    return RefusedRequestError(
        error.message,
        code=str(kind),
        http_status=status,
        retry_after_seconds=None if after is None else ceil(min(after, retry_after_seconds_max)),
    )
