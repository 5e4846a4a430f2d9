"""A gateway on a disk that can be full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger_file import check_ledger
from running import GatewayProcess, SimulatorProcess, gateway_config

__all__ = ["Disk", "gateway_on_disk"]


class Disk:
    """A gateway whose files can be kept from growing, as a full disk does."""

    def __init__(self, gateway: GatewayProcess, simulator: SimulatorProcess, ledger: Path) -> None:
        self.url = gateway.url
        self.simulator = simulator.url
        self.ledger = ledger
        self._gateway = gateway

    def fill(self) -> None:
        """From now on no file of the gateway grows."""
        self._limit(self.ledger.with_name("ledger.db-wal").stat().st_size)

    def clear(self) -> None:
        """There is space again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._gateway.process is not None
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(self._gateway.process.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def gateway_on_disk(folder: Path, tables: str) -> Iterator[Disk]:
    """A gateway in front of a simulator, with more ``tables``; its ledger and log are checked."""
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    config.write_text(config.read_text() + tables)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield Disk(gateway, simulator, folder / "ledger.db")
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    check_ledger(folder / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()
