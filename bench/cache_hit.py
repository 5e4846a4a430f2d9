"""
How long a hit of the response cache takes, beside the shortest answer of a provider.

The providers are simulated at the pace of real ones; their shortest answer is that of an
embedding of one word. Hits come from a modelmeter that meters and keeps each of them durably.
"""

import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.processes import (
    BenchError,
    clean_environment,
    free_port,
    running,
    wait_until_ready,
)

__all__ = ["GOAL_SHARE", "CacheHit", "measure"]

GOAL_SHARE = 0.1
"""What a hit may take at most, as a share of the shortest answer."""

PROVIDER_CALLS = 60
HITS = 2_000
WARMUP_HITS = 200
ANSWER_SECONDS_MAX = 60.0

_PATH = "/openai/v1/embeddings"
_HEADERS = {
    "authorization": "Bearer sk-bench-caller",
    "content-type": "application/json",
    "x-agent-id": "bench.caller",
}


class CacheHit(msgspec.Struct, frozen=True):
    """One run's figures, in milliseconds at one connection."""

    provider_shortest_ms: float
    miss_p50_ms: float
    hit_p50_ms: float
    hit_p99_ms: float

    @property
    def share(self) -> float:
        """A hit's median as a share of the shortest answer, whole: its added delay is less."""
        return self.hit_p50_ms / self.provider_shortest_ms


def measure(folder: Path) -> CacheHit:
    """
    Start both programs in ``folder``, measure, end them.

    Raises:
        BenchError: one does not start, or an answer is not what it must be.
    """
    provider_port, port = free_port(), free_port()
    provider = f"http://127.0.0.1:{provider_port}"
    config = folder / "cache.toml"
    config.write_text(
        f"""listen = "127.0.0.1:{port}"
ledger = "{folder / "cache.db"}"

[providers.openai]
base_url = "{provider}/openai/v1"

[cache]
enabled = true
"""
    )
    simulator = [sys.executable, "-m", "modelmeter.simulator"]
    simulator += ["--port", str(provider_port), "--seed", "7", "--speed", "1"]
    gateway = [str(Path(sys.executable).parent / "modelmeter"), "serve", "--config", str(config)]
    environment = clean_environment()
    with (
        running(simulator, folder / "simulator.log", environment) as providers,
        running(gateway, folder / "cached.log", environment) as cached,
    ):
        wait_until_ready(providers, f"{provider}/simulator/served", folder / "simulator.log")
        wait_until_ready(cached, f"http://127.0.0.1:{port}/readyz", folder / "cached.log")
        direct = [_call(provider_port, _body(number), None) for number in range(PROVIDER_CALLS)]
        misses = [_call(port, _body(number), "miss") for number in range(PROVIDER_CALLS)]
        hits = _hits(port)
    hundredths = statistics.quantiles(hits, n=100)
    return CacheHit(
        provider_shortest_ms=min(direct),
        miss_p50_ms=statistics.median(misses),
        hit_p50_ms=statistics.median(hits),
        hit_p99_ms=hundredths[-1],
    )


def _body(number: int) -> bytes:
    return msgspec.json.encode({"model": "text-embedding-3-small", "input": f"word{number}"})


def _hits(port: int) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
    try:
        bodies = [_body(number) for number in range(PROVIDER_CALLS)]
        delays = [
            _on(connection, bodies[number % PROVIDER_CALLS], "hit")
            for number in range(WARMUP_HITS + HITS)
        ]
    finally:
        connection.close()
    return delays[WARMUP_HITS:]


def _call(port: int, body: bytes, cache: str | None) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.connect()
        return _on(connection, body, cache)
    finally:
        connection.close()


def _on(connection: http.client.HTTPConnection, body: bytes, cache: str | None) -> float:
    """Milliseconds to the end of the answer."""
    started = time.perf_counter()
    connection.request("POST", _PATH, body, _HEADERS)
    answer = connection.getresponse()
    whole = answer.read()
    milliseconds = (time.perf_counter() - started) * 1e3
    said = answer.headers["x-modelmeter-cache"]
    if answer.status != 200 or said != cache:
        raise BenchError(f"expected {cache}, got {said}, {answer.status}: {whole[:200]!r}")
    return milliseconds


def main() -> None:
    """Measure once and print."""
    with tempfile.TemporaryDirectory(prefix="cache-") as folder:
        figures = measure(Path(folder))
    print(f"shortest answer of a provider: {figures.provider_shortest_ms:7.2f} ms")
    print(f"miss, p50:                     {figures.miss_p50_ms:7.2f} ms")
    print(f"hit, p50:                      {figures.hit_p50_ms:7.2f} ms")
    print(f"hit, p99:                      {figures.hit_p99_ms:7.2f} ms")
    print(f"a hit takes {figures.share:.3f} of the shortest answer; the goal is {GOAL_SHARE:g}")


if __name__ == "__main__":
    main()
