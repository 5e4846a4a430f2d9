"""A closed loop of connections that call a gateway as fast as it answers, by wrk."""

import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.processes import BenchError, clean_environment
from bench.upstream import MODEL

__all__ = ["BODY", "COMMON_HEADERS", "Figures", "Sample", "drive", "read_sample", "summarise"]

WRK_TIMEOUT_SECONDS = 60
"""An answer slower than this counts as failed."""

WRK_GRACE_SECONDS = 90.0
"""Longest wrk may run beyond the asked time."""

REPORT_MARK = "REPORT "

BODY: bytes = msgspec.json.encode(
    {
        "model": MODEL,
        "messages": [
            {
                "role": "system",
                "content": "You write one plain sentence for a manager who has a minute. "
                "Use only what the figures say, name the largest change first, and leave out "
                "everything that did not change since the last report.",
            },
            {
                "role": "user",
                "content": "Figures of the quarter: cost by agent 4120, 3980, 2210, 1875 USD; "
                "the quarter before 5230, 4410, 2650, 2990 USD. Questions answered 18210, the "
                "quarter before 12140. What happened?",
            },
        ],
        "temperature": 0.2,
        "max_tokens": 200,
    }
)
"""The request of every call that is not streamed."""

COMMON_HEADERS = {
    "authorization": "Bearer sk-bench-caller",
    "content-type": "application/json",
    "x-agent-id": "bench.caller",
}
"""The same for every target."""

LUA_DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'REPORT {"answers":%d,"microseconds":%d,"p50_us":%.0f,"p99_us":%.0f,' ..
    '"refused":%d,"broken":%d,"late":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
"""


class Sample(msgspec.Struct, frozen=True):
    """What one run of wrk saw."""

    answers: int
    """Complete answers, refusals among them."""
    microseconds: int
    p50_us: float
    p99_us: float
    refused: int
    """Answers with a status of 400 or more."""
    broken: int
    """Connections that were refused, reset or cut short."""
    late: int
    """Answers that took longer than ``WRK_TIMEOUT_SECONDS``."""

    @property
    def calls_per_second(self) -> float:
        """Answers over the time they took."""
        return self.answers / (self.microseconds / 1e6)

    @property
    def fault(self) -> str | None:
        """Why the run must not be counted; None if every answer was good."""
        counts = {"refused": self.refused, "broken": self.broken, "late": self.late}
        if not self.answers:
            return "no answer"
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or None


class Figures(msgspec.Struct, frozen=True):
    """The medians of several runs of one step."""

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the target's process tree for one call, in microseconds."""
    spread: float
    """Fastest run's calls a second over the slowest's."""


def summarise(samples: Sequence[Sample], cpu_us: Sequence[float]) -> Figures:
    """
    The median of each figure over the runs of one step.

    Raises:
        BenchError: there is no run, or one of them failed; a failed run is never averaged away.
    """
    if not samples:
        raise BenchError("no run")
    if faults := [sample.fault for sample in samples if sample.fault]:
        raise BenchError("; ".join(faults))
    rates = [sample.calls_per_second for sample in samples]
    return Figures(
        calls_per_second=statistics.median(rates),
        p50_ms=statistics.median(sample.p50_us for sample in samples) / 1e3,
        p99_ms=statistics.median(sample.p99_us for sample in samples) / 1e3,
        cpu_us=statistics.median(cpu_us) if cpu_us else 0.0,
        spread=max(rates) / min(rates),
    )


def read_sample(output: str) -> Sample:
    """
    The report that the script makes wrk print.

    Raises:
        BenchError: there is none.
    """
    for line in output.splitlines():
        if line.startswith(REPORT_MARK):
            return msgspec.json.decode(line.removeprefix(REPORT_MARK), type=Sample)
    raise BenchError(f"wrk gave no report: {output.strip()[-500:]}")


def _script(headers: Mapping[str, str]) -> str:
    """A script whose request wrk builds once; only the report at the end runs Lua."""
    lines = ['wrk.method = "POST"', f"wrk.body = {_lua_text(BODY.decode())}"]
    for name, value in {**COMMON_HEADERS, **headers}.items():
        lines.append(f"wrk.headers[{_lua_text(name)}] = {_lua_text(value)}")
    return "\n".join(lines) + LUA_DONE


def _lua_text(text: str) -> str:
    return '"' + "".join(f"\\{ord(c):03d}" if not c.isalnum() else c for c in text) + '"'


def drive(
    wrk: str,
    url: str,
    headers: Mapping[str, str],
    *,
    connections: int,
    seconds: float,
    folder: Path,
) -> Sample:
    """
    Keep ``connections`` calls in flight for ``seconds``; calls in flight at the end are cut.

    Raises:
        BenchError: wrk itself failed.
    """
    script = folder / "wrk.lua"
    script.write_text(_script(headers))
    whole_seconds = max(1, round(seconds))
    command = [wrk, "-t1", f"-c{connections}", f"-d{whole_seconds}s"]
    command += ["--timeout", f"{WRK_TIMEOUT_SECONDS}s", "-s", str(script), url]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=whole_seconds + WRK_GRACE_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        raise BenchError("wrk did not end") from late
    if done.returncode != 0:
        raise BenchError(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return read_sample(done.stdout)
