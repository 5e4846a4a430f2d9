"""Real processes for tests: a gateway, a simulator, each on a free port of loopback."""

import os
import re
import selectors
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
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            env=self._environment,
        )
        os.close(writer)
        self.url = self._read_url(reader)
        self._keep_reading(reader)

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

    def _read_url(self, reader: int) -> str:
        deadline = time.monotonic() + START_SECONDS_MAX
        seen = b""
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            while selector.select(max(deadline - time.monotonic(), 0)):
                chunk = os.read(reader, 65536)
                seen += chunk
                if match := _URL.search(seen):
                    self.log.write_bytes(seen)
                    return match.group().decode()
                if not chunk:
                    break
        self.kill()
        raise RuntimeError(f"{self._arguments} did not start:\n{seen.decode(errors='replace')}")

    def _keep_reading(self, reader: int) -> None:
        """Empty the pipe into the log, so that the process never waits for us."""
        with self.log.open("ab") as log:
            subprocess.Popen(["cat"], stdin=reader, stdout=log)
        os.close(reader)


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
