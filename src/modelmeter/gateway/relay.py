"""The way of one request through the gateway: door, caller, body, meter, exchange."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil

import msgspec

from modelmeter.cache import CacheTurn
from modelmeter.errors import (
    BudgetExceededError,
    LedgerError,
    LedgerUnavailableError,
    RefusedRequestError,
    ThrottledError,
    UpstreamError,
)
from modelmeter.gateway.admission import Admission, Asked, Opened
from modelmeter.gateway.answer_keeper import AnswerKeeper
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.cache_desk import CacheDesk
from modelmeter.gateway.client_side import ClientGoneError, ClientSide
from modelmeter.gateway.door import Door, dialect_at, find_door
from modelmeter.gateway.exchange import Exchange
from modelmeter.gateway.identity import INVALID_KEY_CODE, Identity
from modelmeter.gateway.outbound import Outbound
from modelmeter.gateway.passage import pass_through
from modelmeter.gateway.refusals import RefusalCounts, send_error
from modelmeter.gateway.upstream import Upstream, UpstreamRequest
from modelmeter.gateway.wrong_keys import WrongKeys
from modelmeter.ledger import Ledger
from modelmeter.meter import CallOpening
from modelmeter.meter.admission import Admitted
from modelmeter.providers import RequestFacts
from modelmeter.providers.spelling import operation_at
from modelmeter.record import Caller, Clock
from modelmeter.settings.limits import Limits
from modelmeter.wire.header_rules import clean_identifier

__all__ = ["REFUSED", "Relay", "RelayParts", "refusal_of", "require_json"]

REFUSED = (
    asyncio.CancelledError,
    RefusedRequestError,
    BudgetExceededError,
    ThrottledError,
    UpstreamError,
    LedgerError,
)
"""How a request may end without an answer of its upstream."""

KNOWN_PATHS_MAX = 1024
"""Paths whose doors are remembered; then the memory starts anew."""

_RELAYED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""
No other goes to a provider, whose answer to TRACE is the request with the operator's key in it.

https://www.rfc-editor.org/rfc/rfc9110.html#section-9.3.8
"""
_ALLOWED: Headers = [(b"allow", ", ".join(_RELAYED_METHODS).encode())]
_LEDGER_RETRY_AFTER_SECONDS = 1
_STOP_RETRY_AFTER_SECONDS = 5
_ATTEMPTS_MAX = 100
_SHOULD_RETRY = b"x-should-retry"
"""OpenAI's and Anthropic's SDKs go by it, whatever they would do of themselves."""
_NOTHING_HERE = (
    "nothing is served here; point an SDK's base URL at /openai/v1, /anthropic, /genai, /bedrock "
    "or /up/<name>/v1"
)


class RelayParts(msgspec.Struct, frozen=True):
    """What the relay is put together from."""

    doors: Mapping[bytes, Door]
    identity: Identity
    outbound: Outbound
    upstream: Upstream
    admission: Admission
    ledger: Ledger
    limits: Limits
    clock: Clock
    refusals: RefusalCounts
    wrong_keys: WrongKeys
    passes_without_ledger: bool
    """Calls that no budget can stop are passed on unmetered while the ledger cannot commit."""
    cache: CacheDesk | None = None
    """None: no caching is configured."""


class Relay:
    """Serves every path behind a door."""

    def __init__(self, parts: RelayParts) -> None:
        self._parts = parts
        self._known_paths: dict[bytes, tuple[Door, str]] = {}

    async def serve(self, client: ClientSide) -> None:
        """Answer one request; what is refused gets an error in the provider's own shape."""
        door: Door | None = None
        try:
            door, path = self._door(client.scope["raw_path"])
            if client.scope["method"] not in _RELAYED_METHODS:
                await self._refuse(client, door, _not_relayed(), told=_ALLOWED)
                return
            await self._serve(client, door, path)
        except ClientGoneError:
            return
        except REFUSED as error:
            refusal, told = refusal_of(error)
            await self._refuse(client, door, refusal, told=told)

    def _door(self, raw_path: bytes) -> tuple[Door, str]:
        found = self._known_paths.get(raw_path)
        if found is None:
            found = find_door(self._parts.doors, raw_path)
            if found is None:
                raise RefusedRequestError(_NOTHING_HERE, code="not_found", http_status=404)
            if len(self._known_paths) >= KNOWN_PATHS_MAX:
                self._known_paths.clear()
            self._known_paths[raw_path] = found
        return found

    async def _serve(self, client: ClientSide, door: Door, path: str) -> None:
        parts = self._parts
        began_ns = parts.clock.monotonic_ns()
        caller = self.caller(client)
        method = client.scope["method"]
        operation = operation_at(door.dialect, method, path)
        body = await client.read_body(
            bytes_max=parts.limits.body_bytes_max,
            timeout_seconds=parts.limits.body_timeout_seconds,
        )
        if operation is None:
            request = await parts.outbound.request(client, door, path, body)
            await self._pass_through(client, request, door)
            return
        require_json(client)
        facts = door.dialect.read_request(operation, path, body)
        opening = _opening(client, door, caller, facts, len(body))
        asked = Asked(door, path, body, facts, opening)
        turn = None
        if parts.cache is not None:
            turn = await parts.cache.turn(client, asked)
        if turn is None:
            await self._make(client, asked, began_ns)
        elif parts.cache is not None and turn.stored is not None:
            try:
                await parts.cache.answer(client, opening, turn.stored, began_ns=began_ns)
            except LedgerUnavailableError:
                if not parts.passes_without_ledger:
                    raise
                await self._make(client, asked, began_ns)
        else:
            await self._make_and_keep(client, asked, began_ns, turn)

    async def _make(
        self,
        client: ClientSide,
        asked: Asked,
        began_ns: int,
        keeper: AnswerKeeper | None = None,
    ) -> Admitted[Asked, Opened] | None:
        """Make a call and relay its answer; None: it was passed on unmetered."""
        parts = self._parts

        async def send(path: str, body: bytes) -> UpstreamRequest:
            return await parts.outbound.request(client, asked.door, path, body)

        try:
            admitted = await parts.admission.open(
                asked, send, began_ns=began_ns, still_wanted=client.require_there
            )
        except LedgerUnavailableError:
            if parts.passes_without_ledger and not parts.admission.may_stop(asked.opening):
                parts.refusals.unmetered += 1
                request = await send(asked.path, asked.body)
                await self._pass_through(client, request, asked.door)
                return None
            raise
        exchange = Exchange(
            client,
            parts.upstream,
            admitted.opened.call,
            admitted.request.facts,
            asked.door.dialect,
            parts.limits,
            parts.clock,
            told=admitted.told,
            keeper=keeper,
        )
        await exchange.run(admitted.opened.request)
        return admitted

    async def _pass_through(self, client: ClientSide, request: UpstreamRequest, door: Door) -> None:
        parts = self._parts
        await pass_through(
            client, parts.upstream, request, door, parts.limits, parts.ledger, parts.clock
        )

    async def _make_and_keep(
        self, client: ClientSide, asked: Asked, began_ns: int, turn: CacheTurn
    ) -> None:
        """Make a call that the cache could not answer; others may be waiting for its answer."""
        keeper = AnswerKeeper(turn, asked.facts)
        opening = msgspec.structs.replace(asked.opening, cache_miss=turn.miss)
        missed = msgspec.structs.replace(asked, opening=opening)
        entry = None
        try:
            admitted = await self._make(client, missed, began_ns, keeper)
            if admitted is None:
                return
            if admitted.request.facts.model != asked.facts.model:
                # A cheaper model's answer is not what others who ask for this one shall get.
                await turn.keep_nothing()
            call = admitted.opened.call
            if call.succeeded and client.complete:
                entry = call.outcome
        finally:
            await keeper.conclude(entry)

    def caller(self, client: ClientSide) -> Caller:
        """
        Who makes a request.

        Raises:
            RefusedRequestError: it may not be made.
        """
        try:
            return self._parts.identity.identify(client.headers, datetime.now(UTC))
        except RefusedRequestError as error:
            if error.refusal_code != INVALID_KEY_CODE:
                raise
            raise self._parts.wrong_keys.refusal(client.peer, error) from error

    async def _refuse(
        self,
        client: ClientSide,
        door: Door | None,
        error: RefusedRequestError,
        *,
        told: Headers | None = None,
    ) -> None:
        parts = self._parts
        parts.refusals.add(error.refusal_code)
        if client.started:
            return
        target = client.scope["raw_path"]
        await send_error(
            client,
            dialect_at(parts.doors, target) if door is None else door.dialect,
            error.message,
            code=error.refusal_code,
            http_status=error.http_status,
            retry_after_seconds=error.retry_after_seconds,
            told=told,
        )


def _not_relayed() -> RefusedRequestError:
    return RefusedRequestError(
        f"the gateway relays {', '.join(_RELAYED_METHODS)} and no other method",
        code="method_not_allowed",
        http_status=405,
    )


def _stands(error: BudgetExceededError) -> Headers:
    """How a budget stands, for programs; and whether trying again soon is of use."""
    figures = f"limit={error.limit:f};spent={error.spent:f};reserved={error.reserved:f}"
    told = [
        (b"x-modelmeter-budget", error.budget.encode()),
        (b"x-modelmeter-budget-stands", f"unit={error.unit};{figures}".encode()),
        (_SHOULD_RETRY, b"true" if error.frees_soon else b"false"),
    ]
    if error.resets_at is not None:
        told.append((b"x-modelmeter-budget-resets-at", error.resets_at.isoformat().encode()))
    return told


def _opening(
    client: ClientSide, door: Door, caller: Caller, facts: RequestFacts, input_bytes: int
) -> CallOpening:
    request_id = header(client.headers, b"x-request-id")
    retries = header(client.headers, b"x-stainless-retry-count")
    return CallOpening(
        caller=caller,
        provider=door.provider,
        operation=facts.operation,
        model=facts.model,
        streamed=facts.streamed,
        input_bytes=input_bytes,
        output_tokens_max=facts.output_tokens_max,
        answers=facts.answers,
        request_id=None if request_id is None else clean_identifier(request_id),
        attempt=_attempt(retries),
    )


def _attempt(retries: bytes | None) -> int:
    if retries is None or not retries.isdigit() or len(retries) > len(str(_ATTEMPTS_MAX)):
        return 0
    return min(int(retries), _ATTEMPTS_MAX)


def refusal_of(error: BaseException) -> tuple[RefusedRequestError, Headers | None]:
    """What one of `REFUSED` is answered as, and what else its caller is told."""
    if isinstance(error, RefusedRequestError):
        return error, None
    if isinstance(error, BudgetExceededError):
        refusal = RefusedRequestError(
            error.message,
            code=error.code,
            http_status=429,
            retry_after_seconds=error.retry_after_seconds,
        )
        return refusal, _stands(error)
    if isinstance(error, ThrottledError):
        refusal = RefusedRequestError(
            error.message,
            code=error.code,
            http_status=429,
            retry_after_seconds=max(ceil(error.retry_after_seconds), 1),
        )
        return refusal, [(b"x-modelmeter-throttle", error.throttle.encode())]
    if isinstance(error, UpstreamError):
        return RefusedRequestError(error.message, code="upstream_error", http_status=502), None
    if isinstance(error, LedgerError):
        refusal = RefusedRequestError(
            str(error),
            code=error.code,
            http_status=503,
            retry_after_seconds=_LEDGER_RETRY_AFTER_SECONDS,
        )
        return refusal, None
    # Only the server's stop cancels a request, and this is where its task ends.
    refusal = RefusedRequestError(
        "the gateway is stopping; try again in a moment",
        code="stopping",
        http_status=503,
        retry_after_seconds=_STOP_RETRY_AFTER_SECONDS,
    )
    return refusal, None


def require_json(client: ClientSide) -> None:
    """
    Check what the request says of its body.

    Raises:
        RefusedRequestError: it is no JSON (415).
    """
    content_type = header(client.headers, b"content-type")
    if content_type is None or content_type.split(b";")[0].strip().lower().endswith(b"json"):
        return
    raise RefusedRequestError(
        "a metered operation takes a JSON body (content-type: application/json)",
        code="unsupported_media_type",
        http_status=415,
    )
