"""
``python -m bench.viewers``: what ten viewers of the page cost the gateway's calls.

The same gateway under the same load, in turn with nobody looking and with ten viewers who follow
the figures; the result is the ratio of the medians.
"""

import argparse
import contextlib
import socket
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.load import Sample, drive
from bench.memory import cpu_seconds, wait_until_quiet
from bench.peers import PEERS, Gateway, start, start_upstream
from bench.processes import BenchError, debian_command
from bench.table import OURS

__all__ = ["main"]

VIEWERS = 10
_CONNECTIONS = 32
_READ_BYTES = 65_536
_FIRST_EVENT_SECONDS_MAX = 60.0
_LEAVE_SECONDS_MAX = 10.0


class _Step(msgspec.Struct, frozen=True):
    sample: Sample
    cpu_us: float
    """Of one call."""
    events: int
    """That all viewers together were sent."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.viewers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each step")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    wrk = debian_command("wrk", "wrk")
    PEERS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=PEERS) as folder,
        start_upstream(Path(folder)) as (upstream, _),
        start(OURS, upstream, Path(folder)) as gateway,
    ):
        _step(wrk, gateway, Path(folder), 2.0, viewers=VIEWERS)
        alone: list[_Step] = []
        watched: list[_Step] = []
        for number in range(arguments.rounds):
            for viewers in (0, VIEWERS) if number % 2 else (VIEWERS, 0):
                step = _step(wrk, gateway, Path(folder), arguments.seconds, viewers=viewers)
                (watched if viewers else alone).append(step)
    _print(alone, watched)
    return 0


def _step(wrk: str, gateway: Gateway, folder: Path, seconds: float, *, viewers: int) -> _Step:
    wait_until_quiet(gateway.pid)
    with _watching(gateway.url, viewers) as events:
        before = cpu_seconds(gateway.pid)
        sample = drive(
            wrk,
            gateway.url,
            gateway.headers,
            connections=_CONNECTIONS,
            seconds=seconds,
            folder=folder,
        )
        used = cpu_seconds(gateway.pid) - before
    if sample.fault:
        raise BenchError(f"with {viewers} viewers: {sample.fault}")
    return _Step(sample, used / sample.answers * 1e6, sum(events))


@contextlib.contextmanager
def _watching(url: str, viewers: int) -> Iterator[list[int]]:
    """Viewers who follow the figures; how many events each was sent, when the block ends."""
    address = urlsplit(url)
    events = [0] * viewers
    first = threading.Barrier(viewers + 1)
    sockets = [
        socket.create_connection((address.hostname or "", address.port or 80))
        for _ in range(viewers)
    ]

    def watch(place: int) -> None:
        connection = sockets[place]
        connection.sendall(
            b"GET /api/v1/stream?window=24h HTTP/1.1\r\nhost: localhost\r\n"
            b"accept: text/event-stream\r\n\r\n"
        )
        while received := connection.recv(_READ_BYTES):
            seen = events[place]
            events[place] += received.count(b"event: summary")
            if not seen and events[place]:
                first.wait(_FIRST_EVENT_SECONDS_MAX)

    threads = [threading.Thread(target=watch, args=(place,)) for place in range(viewers)]
    for thread in threads:
        thread.start()
    try:
        first.wait(_FIRST_EVENT_SECONDS_MAX)
        yield events
    finally:
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_LEAVE_SECONDS_MAX)
        for connection in sockets:
            connection.close()


def _print(alone: list[_Step], watched: list[_Step]) -> None:
    print(f"{'':28} {'nobody':>10} {f'{VIEWERS} viewers':>12} {'ratio':>8}")
    for name, of in (
        ("calls a second", lambda step: step.sample.calls_per_second),
        ("p50, ms", lambda step: step.sample.p50_us / 1e3),
        ("p99, ms", lambda step: step.sample.p99_us / 1e3),
        ("processor time a call, us", lambda step: step.cpu_us),
    ):
        without = statistics.median(map(of, alone))
        with_viewers = statistics.median(map(of, watched))
        print(f"{name:28} {without:10,.2f} {with_viewers:12,.2f} {with_viewers / without:8.3f}")
    rates = [step.sample.calls_per_second for step in alone]
    print(f"nobody's calls a second varied by {max(rates) / min(rates):.2f} between rounds")
    print(f"events sent: {sum(step.events for step in watched):,}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as fault:
        sys.exit(f"bench: {fault}")
