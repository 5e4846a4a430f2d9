"""Requests behind a door that are no metered operation: relayed and counted, not priced."""

import asyncio

from modelmeter.errors import LedgerError, UpstreamError
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.door import Door
from modelmeter.gateway.refusals import cause_of, log_cut, log_no_answer
from modelmeter.gateway.upstream import Upstream, UpstreamAnswer, UpstreamRequest
from modelmeter.ledger import Ledger
from modelmeter.record import Clock, ErrorType
from modelmeter.settings.limits import Limits
from modelmeter.wire.header_rules import forwardable_response_headers, is_relayable
from modelmeter.wire.retry_after import bounded_retry_after

__all__ = ["headers_passed_on", "pass_through"]

_NO_ANSWER = "none"


async def pass_through(
    client: ClientSide,
    upstream: Upstream,
    request: UpstreamRequest,
    door: Door,
    limits: Limits,
    ledger: Ledger,
    clock: Clock,
) -> None:
    """
    Relay one answer as it comes, and count it by the class of its status.

    Raises:
        UpstreamError: there is no answer to relay.
    """
    status_class = _NO_ANSWER
    answer: UpstreamAnswer | None = None
    try:
        async with asyncio.timeout(limits.upstream_total_timeout_seconds):
            answer = await upstream.send(request)
            status_class = f"{answer.status // 100}xx"
            await _relay(client, answer, limits, clock)
    except TimeoutError as error:
        late = UpstreamError("the upstream did not answer in time", error_type=ErrorType.TIMEOUT)
        _log_failure(client, door, late)
        raise late from error
    except UpstreamError as error:
        _log_failure(client, door, error)
        raise
    finally:
        if answer is not None:
            answer.close()
        _count(ledger, door.provider, status_class)


def headers_passed_on(answer: UpstreamAnswer, limits: Limits, clock: Clock) -> Headers:
    """The provider's headers that its caller gets, with no wait in them above the bound."""
    return bounded_retry_after(
        forwardable_response_headers(answer.headers),
        seconds_max=limits.retry_after_seconds_max,
        now_ns=clock.time_ns,
    )


async def _relay(client: ClientSide, answer: UpstreamAnswer, limits: Limits, clock: Clock) -> None:
    if not is_relayable(answer.status):
        raise UpstreamError(
            "the upstream answered with a redirect, which is never followed, or with no answer",
            error_type=ErrorType.BAD_RESPONSE,
        )
    headers = headers_passed_on(answer, limits, clock)
    length = header(answer.headers, b"content-length")
    if length is not None:
        headers.append((b"content-length", length))
    await client.start(answer.status, headers)
    size = 0
    while chunk := await answer.read():
        size += len(chunk)
        if size > limits.response_bytes_max:
            raise UpstreamError(
                "the upstream's answer is larger than allowed", error_type=ErrorType.BAD_RESPONSE
            )
        await client.write(chunk)
    await client.finish()


def _log_failure(client: ClientSide, door: Door, error: UpstreamError) -> None:
    if client.is_cut:
        log_cut(f"upstream_{error.error_type}", door.provider)
    elif not client.started:
        log_no_answer(cause_of(error), door.provider)


def _count(ledger: Ledger, provider: str, status_class: str) -> None:
    try:
        ledger.relayed(provider, status_class)
    except LedgerError:
        # Not a metered call: a full queue must not turn its answer into an error.
        ledger.writer.uncounted += 1
