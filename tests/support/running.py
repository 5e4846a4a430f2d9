"""Real processes for tests: a gateway, a simulator, each on a free port of loopback."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["GatewayProcess", "SimulatorProcess", "gateway_config"]

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 40.0

_URL = re.compile(rb"http://[0-9a-z.:\[\]]+:\d+")


class _Process:
    """A child process that prints its address when it is ready."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], *, log: Path) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self.log = log
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self.url = self._read_url(self.process)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _read_url(self, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            has_ended = process.poll() is not None
            if match := _URL.search(self.log.read_bytes()):
                return match.group().decode()
            if has_ended:
                break
            time.sleep(0.02)
        self.kill()
        seen = self.log.read_text(errors="replace")
        raise RuntimeError(f"{self._arguments} did not start:\n{seen}")


class SimulatorProcess(_Process):
    """Simulated providers."""

    def __init__(self, folder: Path, *, seed: int = 7, speed: float = 0) -> None:
        arguments = ["--port", "0", "--seed", str(seed), "--speed", str(speed)]
        super().__init__(
            [sys.executable, "-m", "modelmeter.simulator", *arguments],
            {},
            log=folder / "simulator.log",
        )


class GatewayProcess(_Process):
    """A gateway with a configuration file."""

    def __init__(
        self, config: Path, environment: Mapping[str, str] | None = None, *, name: str = "gateway"
    ) -> None:
        super().__init__(
            [sys.executable, "-m", "modelmeter", "serve", "--config", str(config)],
            {
                "AWS_ACCESS_KEY_ID": "AKIDSIMULATED",
                "AWS_SECRET_ACCESS_KEY": "simulated-secret",
                **(environment or {}),
            },
            log=config.parent / f"{name}.log",
        )


def gateway_config(
    folder: Path, simulator_url: str, *, extra: str = "", name: str = "gateway"
) -> Path:
    """Write a configuration that puts a gateway in front of the simulator."""
    path = folder / f"{name}.toml"
    path.write_text(
        f"""
listen = "127.0.0.1:0"
ledger = "{folder / "ledger.db"}"
{extra}

[providers.openai]
base_url = "{simulator_url}/openai/v1"

[providers.anthropic]
base_url = "{simulator_url}/anthropic"

[providers.genai]
base_url = "{simulator_url}/genai"

[providers.bedrock]
base_url = "{simulator_url}/bedrock"
region = "us-east-1"

[providers.local]
kind = "openai"
base_url = "{simulator_url}/up/v1"
"""
    )
    return path
