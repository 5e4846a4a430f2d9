"""
One run of the benchmark: rounds over all targets, each step warmed up, then measured.

Rounds go over the targets in turn, so that a drift of the machine meets each alike; a figure is
the median of the rounds. A step that got any answer but 200 is a fault and in no table.
"""

import contextlib
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib import request

import msgspec

from bench import cache_hit, first_byte, metering
from bench.load import BODY, COMMON_HEADERS, Figures, Sample, drive, summarise
from bench.machine import describe
from bench.memory import cpu_seconds, resident_bytes, wait_until_quiet
from bench.peers import Gateway, start, start_upstream, version
from bench.processes import BenchError
from bench.table import OURS, RAW, Result
from bench.upstream import PROMPT_TOKENS

__all__ = ["Plan", "measure"]

PROBE_SECONDS_MAX = 60.0
"""Longest wait for the one call that shows that a target answers as the upstream does."""


class Plan(NamedTuple):
    """What to measure."""

    gateways: tuple[str, ...]
    connections: tuple[int, ...]
    seconds: float
    warmup_seconds: float
    rounds: int
    wrk: str
    node: str | None

    @property
    def words(self) -> str:
        """How it was measured, for the reader of a result."""
        return (
            f"Each step: {self.warmup_seconds:g} s of warm-up, then {self.seconds:g} s by wrk; "
            f"medians of {self.rounds} rounds that go over all targets in turn."
        )


class _Usage(msgspec.Struct):
    prompt_tokens: int


class _Completion(msgspec.Struct):
    usage: _Usage


class _Served(msgspec.Struct):
    calls: int


class _Run:
    """The samples of a run while it goes on."""

    def __init__(self, plan: Plan, upstream: str, folder: Path) -> None:
        self._plan = plan
        self._upstream = upstream
        self._folder = folder
        self.samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        self.cpu_us: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.first_byte: dict[str, list[float]] = defaultdict(list)
        self.memory_most: dict[str, int] = {}
        self.answered: dict[str, metering.Answered] = defaultdict(metering.Answered)
        self.faults: list[str] = []
        self.peer_faults: list[str] = []

    def probe(self, target: Gateway) -> None:
        """One call that must come back as the upstream answered it."""
        before = self._served()
        headers = {**COMMON_HEADERS, **target.headers}
        call = request.Request(target.url, BODY, headers, method="POST")
        completion = msgspec.json.decode(_answer(call), type=_Completion)
        if completion.usage.prompt_tokens != PROMPT_TOKENS:
            raise BenchError(f"{target.name} changes the usage of an answer")
        self.answered[target.name].add(1, 0, self._served() - before)

    def load_step(self, target: Gateway, connections: int) -> None:
        """Warm up, wait for the leftovers, measure."""
        key = (target.name, connections)
        self._drive(target, connections, self._plan.warmup_seconds)
        before = cpu_seconds(target.pid)
        sample = self._drive(target, connections, self._plan.seconds)
        used = cpu_seconds(target.pid) - before
        self.samples[key].append(sample)
        self.cpu_us[key].append(used / max(1, sample.answers) * 1e6)
        self._remember_memory(target)
        _say(
            f"{target.name}, {connections} connections: {sample.calls_per_second:,.0f} calls/s, "
            f"p50 {sample.p50_us / 1e3:.2f} ms, p99 {sample.p99_us / 1e3:.2f} ms"
            + (f", FAILED: {sample.fault}" if sample.fault else "")
        )

    def stream_step(self, target: Gateway) -> None:
        """Streamed calls, one after the other."""
        before = self._served()
        try:
            warm = first_byte.measure(target.url, target.headers, self._plan.warmup_seconds)
            sample = first_byte.measure(target.url, target.headers, self._plan.seconds)
        except BenchError as fault:
            failed = self.faults if target.name in (OURS, RAW) else self.peer_faults
            failed.append(f"{target.name}, streams: {fault}")
            return
        wait_until_quiet(target.pid)
        self.first_byte[target.name].append(sample.p50_ms)
        self._remember_memory(target)
        answers = warm.streams + sample.streams
        self.answered[target.name].add(answers, 0, self._served() - before)
        _say(f"{target.name}, streams: first byte after {sample.p50_ms:.2f} ms")

    def _drive(self, target: Gateway, connections: int, seconds: float) -> Sample:
        before = self._served()
        sample = drive(
            self._plan.wrk,
            target.url,
            target.headers,
            connections=connections,
            seconds=seconds,
            folder=self._folder,
        )
        if not wait_until_quiet(target.pid):
            self.faults.append(f"{target.name} was still busy long after the load")
        served = self._served() - before
        self.answered[target.name].add(sample.answers, connections, served)
        if served < sample.answers:
            self.faults.append(
                f"{target.name}, {connections} connections: {sample.answers} answers, "
                f"but the upstream gave only {served}"
            )
        return sample

    def _remember_memory(self, target: Gateway) -> None:
        resident = resident_bytes(target.pid)
        self.memory_most[target.name] = max(self.memory_most.get(target.name, 0), resident)

    def _served(self) -> int:
        call = request.Request(f"{self._upstream}/calls")
        return msgspec.json.decode(_answer(call), type=_Served).calls

    def figures(self) -> dict[tuple[str, int], Figures]:
        """The medians of every step that succeeded; the others become faults."""
        found = {}
        for (name, connections), samples in self.samples.items():
            try:
                key = (name, connections)
                found[key] = summarise(samples, self.cpu_us[key])
            except BenchError as fault:
                self.faults.append(f"{name}, {connections} connections: {fault}")
        return found


def _answer(call: request.Request) -> bytes:
    """The body of a call's answer, which must be a good one."""
    opener = request.build_opener(request.ProxyHandler({}))
    try:
        with opener.open(call, timeout=PROBE_SECONDS_MAX) as answer:
            body: bytes = answer.read()
            return body
    except OSError as fault:
        raise BenchError(f"{call.full_url}: {fault}") from fault


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _rounds(run: _Run, plan: Plan, targets: Sequence[Gateway]) -> None:
    for number in range(plan.rounds):
        _say(f"round {number + 1} of {plan.rounds}")
        shift = number % len(targets)
        turn = [*targets[shift:], *targets[:shift]]
        for connections in plan.connections:
            for target in turn:
                run.load_step(target, connections)
        for target in turn:
            run.stream_step(target)


def measure(plan: Plan, folder: Path) -> Result:
    """
    Start everything in ``folder``, measure, end everything.

    Raises:
        BenchError: a target cannot be started or does not answer as it must; failures under load
            are in the result instead.
    """
    machine = describe(folder, plan.node)
    with contextlib.ExitStack() as open_until_done:
        upstream, upstream_pid = open_until_done.enter_context(start_upstream(folder))
        run = _Run(plan, upstream, folder)
        targets = [Gateway(RAW, upstream_pid, f"{upstream}/v1/chat/completions", {})]
        memory_idle = {}
        for name in plan.gateways:
            _say(f"starting {name} …")
            gateway = open_until_done.enter_context(start(name, upstream, folder))
            run.probe(gateway)
            wait_until_quiet(gateway.pid)
            memory_idle[name] = resident_bytes(gateway.pid)
            targets.append(gateway)
        _rounds(run, plan, targets)
    del run.memory_most[RAW]
    result = Result(
        machine=machine,
        versions={name: version(name) for name in plan.gateways},
        how=plan.words,
        load=run.figures(),
        first_byte_ms={name: statistics.median(values) for name, values in run.first_byte.items()},
        memory_idle=memory_idle,
        memory_most=run.memory_most,
        faults=run.faults,
        peer_faults=sorted(set(run.peer_faults)),
    )
    if OURS in plan.gateways:
        _say("hits of the response cache …")
        result.cache_hit = cache_hit.measure(folder)
    for target in targets:
        if target.ledger is not None:
            _check_ledger(result, target.ledger, run.answered[OURS])
    return result


def _check_ledger(result: Result, ledger: Path, answered: metering.Answered) -> None:
    result.metered = metering.read_ledger(ledger)
    result.answered = answered
    if fault := metering.fault(result.metered, answered):
        result.faults.append(f"the ledger is wrong: {fault}")
