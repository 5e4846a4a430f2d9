"""Looks at a gateway: is it up, can it write its ledger, does it show metrics."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from modelmeter.dashboards.finding import Finding, ok, warning, wrong
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.errors import UpstreamError

__all__ = ["GatewayState", "check_gateway"]

_REQUESTS: Final = re.compile(rb"^llm_requests_total\{.*\} (\d+)$", re.MULTILINE)
_OK: Final = 200


class GatewayState(msgspec.Struct):
    """What was seen of a gateway, for those who look at what reads it."""

    calls: int = 0
    """As its metrics say."""


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
    if status != _OK or b"modelmeter_build_info{" not in content:
        return wrong(
            "metrics", f"/metrics answered {status} without metrics of modelmeter", "see its log"
        )
    state.calls = sum(int(count) for count in _REQUESTS.findall(content))
    if not state.calls:
        return warning(
            "metrics",
            "initialised, but no call came through yet",
            "point an SDK's base URL at the gateway",
        )
    return ok("metrics", f"initialised, {state.calls} calls shown")
