"""The simulator as one ASGI application: OpenAI, Azure, Anthropic, Bedrock, and Gemini."""

import time
from collections.abc import Callable, Iterable
from urllib.parse import unquote

import msgspec

from modelmeter.record import ErrorType
from modelmeter.simulator.anthropic_wire import AnthropicWire
from modelmeter.simulator.asgi import HttpScope, Receive, Send
from modelmeter.simulator.bedrock_wire import BedrockWire
from modelmeter.simulator.control import control_reply
from modelmeter.simulator.delivery import (
    Channel,
    Write,
    body_writes,
    stream_writes,
)
from modelmeter.simulator.directive import (
    NOTHING_ASKED,
    Directive,
    DirectiveError,
    find_directive,
    parse_directive,
)
from modelmeter.simulator.exchange import (
    Answer,
    Ask,
    Fault,
    FaultError,
    Headers,
    HttpRequest,
    Plain,
    ProviderWire,
    Surface,
)
from modelmeter.simulator.genai_wire import GenaiWire
from modelmeter.simulator.openai_wire import OpenAIWire
from modelmeter.simulator.plan import plan_answer
from modelmeter.simulator.served import ServedCall, ServedLog
from modelmeter.simulator.settings import SimulatorSettings
from modelmeter.simulator.sigv4 import is_signed_by
from modelmeter.simulator.words import Ids

__all__ = ["Simulator"]

REQUEST_BYTES_MAX = 64 * 1024 * 1024
"""Longest request body that is read."""

_GATEWAY_KEY_PREFIX = "mm-"
_JSON = b"application/json"
_HTML = b"<!doctype html><html><body><h1>Service information</h1></body></html>"


class Simulator:
    """The application; `served` knows what it did."""

    def __init__(
        self, settings: SimulatorSettings | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self.served = ServedLog()
        self._clock = clock
        self._serial = 0
        wires: tuple[ProviderWire, ...] = (
            OpenAIWire(),
            OpenAIWire("up", azure=True),
            AnthropicWire(),
            BedrockWire(),
            GenaiWire(),
        )
        self._wires = {wire.name: wire for wire in wires}

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path.startswith("/simulator/"):
            status, page = control_reply(path, self.served)
            await _send_whole(send, status, ((b"content-type", _JSON),), page)
            return
        body = await _read_body(receive)
        if body is None:
            page = b'{"error": "the request is too long"}'
            await _send_whole(send, 413, ((b"content-type", _JSON),), page)
            return
        request = _request(scope, body)
        provider, *segments = request.segments
        wire = self._wires.get(provider)
        if wire is None:
            page = b'{"error": "no such provider is simulated"}'
            await _send_whole(send, 404, ((b"content-type", _JSON),), page)
            return
        request = msgspec.structs.replace(request, segments=tuple(segments))
        channel = Channel(receive, send)
        try:
            await self._serve(wire, request, channel)
        finally:
            channel.close()

    async def _serve(self, wire: ProviderWire, request: HttpRequest, channel: Channel) -> None:
        self._serial += 1
        ids = Ids(self.settings.seed, self._serial)
        call = ServedCall(wire.name, request, wire.request_id(ids))
        self.served.open(call)
        directive = NOTHING_ASKED
        try:
            directive = _directive(request)
            await self._answer(wire, request, channel, call, ids, directive)
        except FaultError as error:
            headers, body = wire.fault(error.fault, request, ids)
            status = wire.status(error.fault)
            if not await channel.wait((directive.first_token_ms or 0) / 1000):
                await _send_body(channel, call, status, headers, body, directive)
        finally:
            self.served.close(call)

    async def _answer(
        self,
        wire: ProviderWire,
        request: HttpRequest,
        channel: Channel,
        call: ServedCall,
        ids: Ids,
        directive: Directive,
    ) -> None:
        self._check_credential(wire, request)
        surface = wire.route(request)
        if surface is None:
            raise FaultError(
                Fault(ErrorType.NOT_FOUND, message=f"Unknown request URL: {request.method}")
            )
        if isinstance(surface, Plain):
            headers = ((b"content-type", wire.json_type), *wire.headers(ids, None, None))
            body = msgspec.json.encode(surface.payload)
            await _send_body(channel, call, 200, headers, body, directive)
            return
        call.operation = surface.operation
        ask = surface.read(request)
        call.model, call.streamed = ask.model, ask.streamed
        self.served.name(call, surface.response_id(ids) or call.request_id)
        created = int(self._clock())
        answer = plan_answer(self.settings, wire.name, ask, directive, request.body, ids, created)
        if await channel.wait(answer.first_token_seconds):
            return
        await _send_answer(channel, call, wire, surface, request, ask, answer)

    def _check_credential(self, wire: ProviderWire, request: HttpRequest) -> None:
        """
        Raises:
            FaultError: the credential is missing, not accepted, or a gateway's.
        """
        key = wire.credential(request)
        settings = self.settings
        refused = key is not None and key.startswith(_GATEWAY_KEY_PREFIX)
        if settings.required_keys and key not in settings.required_keys:
            refused = True
        secret = settings.aws_secrets.get(key or "") if wire.name == "bedrock" else None
        if secret is not None and not is_signed_by(request, secret):
            refused = True
        if refused:
            raise FaultError(Fault(ErrorType.AUTHENTICATION))


async def _send_answer(
    channel: Channel,
    call: ServedCall,
    wire: ProviderWire,
    surface: Surface,
    request: HttpRequest,
    ask: Ask,
    answer: Answer,
) -> None:
    directive = answer.directive
    headers = wire.headers(answer.ids, ask, answer)
    if directive.set_cookie:
        headers += ((b"set-cookie", b"__cf_bm=simulated; path=/; HttpOnly; Secure"),)
    if directive.redirect is not None:
        headers += ((b"location", directive.redirect.encode()),)
        await _send_body(channel, call, 307, headers, b"", directive)
    elif directive.html:
        headers += ((b"content-type", b"text/html; charset=utf-8"),)
        await _send_body(channel, call, 200, headers, _HTML, directive)
    elif ask.streamed:
        framing = surface.framing(request)
        headers += ((b"content-type", framing.content_type), (b"cache-control", b"no-cache"))
        writes: Iterable[Write] = ()
        if not directive.empty:
            writes = stream_writes(wire, surface, framing, ask, answer)
        call.http_status = 200
        await channel.start(200, headers)
        await channel.deliver(writes, directive, call)
    else:
        made = answer.tokens.output + answer.tokens.reasoning
        if await channel.wait(made * answer.token_seconds):
            return
        headers += ((b"content-type", wire.json_type),)
        body = b"" if directive.empty else surface.body(ask, answer)
        await _send_body(channel, call, 200, headers, body, directive)


async def _send_body(
    channel: Channel,
    call: ServedCall,
    status: int,
    headers: Headers,
    body: bytes,
    directive: Directive,
) -> None:
    call.http_status = status
    writes = list(body_writes(body, directive))
    length = sum(len(write.data) for write in writes)
    await channel.start(status, (*headers, (b"content-length", str(length).encode())))
    await channel.deliver(writes, directive, call)


async def _send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": (*headers, length)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read_body(receive: Receive) -> bytes | None:
    """Read a request's body; None if it is too long, or the client left."""
    parts, length = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        parts.append(part)
        length += len(part)
        if length > REQUEST_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _request(scope: HttpScope, body: bytes) -> HttpRequest:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    segments = raw_path.decode("ascii", "replace").removeprefix("/").split("/")
    return HttpRequest(
        method=scope["method"],
        segments=tuple(map(unquote, segments)),
        raw_path=raw_path,
        query=scope["query_string"],
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        },
        body=body,
    )


def _directive(request: HttpRequest) -> Directive:
    """
    Read what is asked: in the header ``x-simulate``, else in the body, else in the path.

    Raises:
        FaultError: it cannot be read.
    """
    try:
        asked = request.headers.get("x-simulate")
        if asked is not None:
            return parse_directive(asked)
        return find_directive(request.raw_path, request.body)
    except DirectiveError as error:
        raise FaultError(Fault(ErrorType.INVALID_REQUEST, message=str(error))) from None
