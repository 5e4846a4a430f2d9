"""The unified API over simulated providers, with an odd one in front of some routes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import openai
import pytest
from ledger_file import check_ledger, query
from odd_upstream import Behaviour, OddUpstream
from running import GatewayProcess, SimulatorProcess, gateway_config

__all__ = ["ROUTING", "UnifiedUnderTest", "running_unified"]

ROUTING = """
[routing]
backoff_initial_seconds = 0.01
first_token_timeout_seconds = 1
call_timeout_seconds = 3
circuit_failures = 1000

[limits]
upstream_idle_timeout_seconds = 1
"""


class UnifiedUnderTest(msgspec.Struct):
    """The gateway, and the ledger it writes."""

    gateway: str
    ledger: Path
    odd: OddUpstream

    def client(self, **headers: str) -> openai.OpenAI:
        """OpenAI's own SDK, which makes each request once."""
        return openai.OpenAI(
            base_url=f"{self.gateway}/v1",
            api_key="sk-callers-own",
            max_retries=0,
            default_headers={"x-agent-id": "meetmind.coordinator", **headers},
        )

    def attempts(self, request_id: str) -> list[tuple[object, ...]]:
        """Attempt, provider, status, error type of a request's calls."""
        assert request_id.replace("-", "").isalnum()
        return query(
            self.ledger,
            "SELECT attempt, provider, status, error_type FROM entry"
            f" WHERE request_id = '{request_id}' ORDER BY seq",
        )


def running_unified(
    factory: pytest.TempPathFactory, behaviours: Mapping[str, Behaviour], extra: str = ROUTING
) -> Iterator[UnifiedUnderTest]:
    """Start it, stop it, and look whether the ledger is in order."""
    folder = factory.mktemp("unified")
    simulator = SimulatorProcess(folder)
    simulator.start()
    odd = OddUpstream(behaviours)
    config = gateway_config(folder, simulator.url)
    with config.open("a") as file:
        file.write(
            f"""
[providers.odd]
kind = "openai"
base_url = "{odd.url}/v1"
api_key = "env:ODD_KEY"

[routes.smart]
targets = ["odd/gpt-4o", "bedrock/us.anthropic.claude-3-haiku-20240307-v1:0"]

[routes.hopeless]
targets = ["odd/gpt-4o", "odd/gpt-4o-mini"]
{extra}
"""
        )
    gateway = GatewayProcess(config, {"ODD_KEY": "sk-odd"})
    try:
        gateway.start()
        yield UnifiedUnderTest(gateway.url, folder / "ledger.db", odd)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
        odd.close()
    assert query(folder / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(folder / "ledger.db")
    log = gateway.log.read_bytes()
    assert b"Traceback" not in log
    # Whatever is asked again is entered each time, and needs no line.
    assert b"asked again" not in log
