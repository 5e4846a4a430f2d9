"""A real Redis of the test's own, on a free port of loopback."""

import socket
import subprocess
import time
from pathlib import Path

from prometheus_server import free_port

__all__ = ["RedisServer"]

START_SECONDS_MAX = 30.0


class RedisServer:
    """Debian's redis-server, which keeps nothing on the disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it listens."""
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "redis-server",
                    *("--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.stop()
        raise RuntimeError(f"redis-server did not start: see {self._folder / 'redis.log'}")

    def stop(self) -> None:
        """Kill it: what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, *words: str) -> str:
        """The server's answer to a command."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], check=True, capture_output=True, text=True
        )
        return done.stdout

    def pause(self) -> None:
        """Have it take connections and answer nothing."""
        self._signal("STOP")

    def resume(self) -> None:
        """Have it go on after a pause."""
        self._signal("CONT")

    def _signal(self, name: str) -> None:
        if self._process is not None:
            subprocess.run(["kill", f"-{name}", str(self._process.pid)], check=True)
