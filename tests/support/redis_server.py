"""A real Redis of the test's own, or a cluster of them, on free ports of loopback."""

import socket
import subprocess
import time
from pathlib import Path

from prometheus_server import free_port

__all__ = ["RedisCluster", "RedisServer"]

START_SECONDS_MAX = 30.0
MASTERS = 3
SLOTS = 16_384


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


class RedisCluster:
    """Three masters without replicas, which share the hash slots."""

    def __init__(self, folder: Path) -> None:
        self.masters = []
        self._bus_ports = [free_port() for _ in range(MASTERS)]
        for number, bus_port in enumerate(self._bus_ports):
            place = folder / str(number)
            place.mkdir()
            options = {
                "--cluster-enabled": "yes",
                "--cluster-port": str(bus_port),
                "--cluster-node-timeout": "1000",
                # One that is gone takes only its own slots with it.
                "--cluster-require-full-coverage": "no",
            }
            words = [word for option in options.items() for word in option]
            self.masters.append(RedisServer(place, *words))
        self.url = f"redis+cluster://127.0.0.1:{self.masters[0].port}"

    def start(self) -> None:
        """Start the masters, and wait until each knows all."""
        for number, master in enumerate(self.masters):
            master.start()
            first, last = (SLOTS * place // MASTERS for place in (number, number + 1))
            master.command("cluster", "addslotsrange", str(first), str(last - 1))
            master.command("cluster", "set-config-epoch", str(number + 1))
        for other, bus_port in zip(self.masters[1:], self._bus_ports[1:], strict=True):
            self.masters[0].command("cluster", "meet", "127.0.0.1", str(other.port), str(bus_port))
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Until each master knows that all slots are held, and serves its own."""
        deadline = time.monotonic() + START_SECONDS_MAX
        wanted = {f"cluster_slots_ok:{SLOTS}", "cluster_state:ok"}
        while not all(wanted <= set(answer.split()) for answer in self.info()):
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster did not come together")
            time.sleep(0.02)

    def info(self) -> list[str]:
        """What each master says of the cluster."""
        return [master.command("cluster", "info") for master in self.masters]

    def command(self, *words: str) -> str:
        """All masters' answers to a command."""
        return "".join(master.command(*words) for master in self.masters)

    def owner(self, slot: int) -> RedisServer:
        """The master of a slot, as it says itself."""
        for master in self.masters:
            for line in master.command("cluster", "nodes").splitlines():
                fields = line.split()
                if "myself" not in fields[2]:
                    continue
                for held in fields[8:]:
                    first, _, last = held.partition("-")
                    if first.isdigit() and int(first) <= slot <= int(last or first):
                        return master
        raise RuntimeError(f"nobody holds slot {slot}")

    def stop(self) -> None:
        """Kill all: what they held is lost."""
        for master in self.masters:
            master.stop()
