"""Looks at a gateway: is it up, can it write its ledger, does it show metrics."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from modelmeter.dashboards.finding import Finding, ok, warning, wrong
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.errors import UpstreamError
from modelmeter.metrics.names import LEDGER_INFO, SCRAPE_INTERVAL

__all__ = ["GatewayState", "check_gateway"]

_REQUESTS: Final = re.compile(rb"^llm_requests_total\{.*\} (\d+)$", re.MULTILINE)
_LEDGER: Final = re.compile(
    rb'^%b\{ledger_id="(\w+)"\} 1$' % LEDGER_INFO.name.encode(), re.MULTILINE
)
_INTERVAL: Final = re.compile(rb"^%b ([\d.]+)$" % SCRAPE_INTERVAL.name.encode(), re.MULTILINE)
_OK: Final = 200
_SHOWN_BYTES_MAX: Final = 200
_FORBIDDEN: Final = 403
_NOT_LET_IN: Final = (401, _FORBIDDEN, 429)


class GatewayState(msgspec.Struct):
    """What was seen of a gateway, for those who look at what reads it."""

    calls: int = 0
    """As its metrics say."""
    ledger_id: str | None = None
    """The ledger that its metrics come from; None: they were not seen."""
    scrape_interval_seconds: float | None = None
    """The interval that it reckons with; None: its metrics were not seen."""


def check_gateway(gateway: WebPages, state: GatewayState) -> Iterator[Finding]:
    """Its health, its ledger, its metrics; ends at the first thing that makes the rest useless."""
    try:
        status, _ = gateway.read("/healthz")
    except UpstreamError as error:
        yield wrong("gateway", str(error), "start it with `modelmeter serve`, or give --gateway")
        return
    if status != _OK:
        yield wrong(
            "gateway",
            f"{gateway.url}/healthz answered {status}",
            "is another program at this address?",
        )
        return
    yield ok("gateway", f"up at {gateway.url}")
    status, _ = gateway.read("/readyz")
    if status == _OK:
        yield ok("ledger", "can be written")
    else:
        yield wrong("ledger", f"/readyz answered {status}", "see docs/runbooks/ledger.md")
    yield _metrics(gateway, state)


def _metrics(gateway: WebPages, state: GatewayState) -> Finding:
    status, content = gateway.read("/metrics")
    if status in _NOT_LET_IN:
        return wrong(
            "metrics",
            f"/metrics answered {status}: {_message(content)}",
            _way_in(status, shows_key=gateway.shows_key),
        )
    if status != _OK or b"modelmeter_build_info{" not in content:
        return wrong(
            "metrics",
            f"/metrics answered {status} without metrics of modelmeter: {_message(content)}",
            "see its log",
        )
    counts = [int(count) for count in _REQUESTS.findall(content)]
    state.calls = sum(counts)
    if (ledger := _LEDGER.search(content)) is not None:
        state.ledger_id = ledger[1].decode()
    if (interval := _INTERVAL.search(content)) is not None:
        state.scrape_interval_seconds = float(interval[1])
    if not counts:
        return warning(
            "metrics",
            "initialised, but no call came through yet",
            "point an SDK's base URL at the gateway",
        )
    if not state.calls:
        return ok("metrics", "initialised; the first calls stand at 0 for two scrape intervals")
    return ok("metrics", f"initialised, {state.calls} calls shown")


def _way_in(status: int, *, shows_key: bool) -> str:
    if not shows_key:
        return "give --key env:NAME or file:PATH; `modelmeter key new --scope read` makes a key"
    if status == _FORBIDDEN:
        return (
            "this key may not read metrics; `modelmeter key new --scope read`, without --tenant, "
            "makes one that may"
        )
    return (
        "this key is not valid there: is it in this gateway's [[keys]], and not expired? "
        "`modelmeter key new --scope read` makes another"
    )


def _message(content: bytes) -> str:
    """What an error of the gateway says to people; else the first of what stands there."""
    try:
        return str(msgspec.json.decode(content)["error"]["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return content[:_SHOWN_BYTES_MAX].decode("utf-8", "replace")
