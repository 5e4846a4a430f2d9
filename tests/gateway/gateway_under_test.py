"""One gateway in front of one simulator, and a plain HTTP client for both."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

__all__ = ["UnderTest", "under_test"]


class UnderTest(msgspec.Struct):
    """The two processes and the ledger between them."""

    gateway: str
    simulator: str
    ledger: Path

    def entries(self, request_id: str) -> list[tuple[object, ...]]:
        """Status, error type, HTTP status, cost state, note of a request's calls."""
        assert request_id.replace("-", "").isalnum()
        return query(
            self.ledger,
            "SELECT status, error_type, http_status, cost_state, note FROM entry"
            f" WHERE request_id = '{request_id}' ORDER BY seq",
        )


LIMITS = """
[limits]
header_timeout_seconds = 1
body_timeout_seconds = 1
body_bytes_max = 100000
upstream_first_byte_timeout_seconds = 2
upstream_idle_timeout_seconds = 1
drain_after_disconnect_seconds = 3
"""


@pytest.fixture(scope="module", name="under_test")
def under_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnderTest]:
    """A gateway with short patience."""
    folder = tmp_path_factory.mktemp("gateway")
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    config.write_text(config.read_text() + LIMITS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield UnderTest(gateway.url, simulator.url, folder / "ledger.db")
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    assert query(folder / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(folder / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()
