"""The result as Markdown tables: figures, ratios, and what of the goals was reached."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from bench.cache_hit import GOAL_SHARE, CacheHit
from bench.load import Figures
from bench.metering import Answered, Metered

__all__ = ["OURS", "RAW", "Goal", "Result", "goals", "render"]

RAW = "upstream alone"
OURS = "modelmeter"

MEBIBYTE = 2**20

GOAL_CONNECTIONS = 32
GOAL_TIMES = {"litellm": 40.0, "portkey": 3.0}
"""Calls a second at ``GOAL_CONNECTIONS``, as a multiple of each peer's."""

GOAL_FIRST_BYTE_MS = 1.0
GOAL_MEMORY_MIB = 150.0


class Result(msgspec.Struct):
    """Everything one run of the benchmark measured, by the target's name."""

    machine: list[tuple[str, str]]
    versions: dict[str, str]
    how: str
    """Seconds, rounds and the like, in words."""
    load: dict[tuple[str, int], Figures]
    """By target and connections."""
    first_byte_ms: dict[str, float]
    memory_idle: dict[str, int]
    """Resident bytes after the start."""
    memory_most: dict[str, int]
    """Most resident bytes after any step."""
    faults: list[str]
    """Steps that failed; they are in no table."""
    peer_faults: list[str] = []
    """Streams that a peer did not serve; its other figures stand."""
    metered: Metered | None = None
    answered: Answered | None = None
    cache_hit: CacheHit | None = None

    @property
    def gateways(self) -> list[str]:
        """The gateways under test, ours first."""
        return sorted(self.versions, key=lambda name: (name != OURS, name))

    @property
    def connections(self) -> list[int]:
        """The steps of the load."""
        return sorted({connections for _, connections in self.load})


class Goal(msgspec.Struct, frozen=True):
    """One limit, and what was measured."""

    what: str
    asked: str
    measured: str
    reached: bool


def added_ms(
    result: Result, name: str, connections: int, percentile: Literal["p50_ms", "p99_ms"]
) -> float | None:
    """What a gateway adds to the same call without it, in milliseconds."""
    through = result.load.get((name, connections))
    alone = result.load.get((RAW, connections))
    if through is None or alone is None:
        return None
    if percentile == "p50_ms":
        return through.p50_ms - alone.p50_ms
    return through.p99_ms - alone.p99_ms


def added_first_byte_ms(result: Result, name: str) -> float | None:
    """What a gateway adds to a stream's first byte, in milliseconds."""
    through, alone = result.first_byte_ms.get(name), result.first_byte_ms.get(RAW)
    return None if through is None or alone is None else through - alone


def goals(result: Result) -> list[Goal]:
    """The limits that this run can tell something about."""
    found = []
    ours = result.load.get((OURS, GOAL_CONNECTIONS))
    for peer, times in GOAL_TIMES.items():
        theirs = result.load.get((peer, GOAL_CONNECTIONS))
        if ours and theirs:
            ratio = ours.calls_per_second / theirs.calls_per_second
            what = f"calls a second at {GOAL_CONNECTIONS} connections, as a multiple of {peer}'s"
            found.append(Goal(what, f"≥ {times:g}", f"{ratio:.1f}", ratio >= times))
    mine, theirs_ms = (added_ms(result, name, 1, "p50_ms") for name in (OURS, "portkey"))
    if mine is not None and theirs_ms is not None:
        what = "added p50 at 1 connection, ms"
        found.append(Goal(what, f"< {theirs_ms:.2f}", f"{mine:.2f}", mine < theirs_ms))
    first_byte = added_first_byte_ms(result, OURS)
    if first_byte is not None:
        what, asked = "first byte of a stream, added p50, ms", f"≤ {GOAL_FIRST_BYTE_MS:g}"
        found.append(Goal(what, asked, f"{first_byte:.2f}", first_byte <= GOAL_FIRST_BYTE_MS))
    if OURS in result.memory_most:
        mebibytes = result.memory_most[OURS] / MEBIBYTE
        asked, reached = f"< {GOAL_MEMORY_MIB:g}", mebibytes < GOAL_MEMORY_MIB
        found.append(Goal("memory after the load, MiB", asked, f"{mebibytes:.0f}", reached))
    if result.cache_hit is not None:
        share = result.cache_hit.share
        what = "a hit of the response cache, as a share of a provider's shortest answer"
        found.append(Goal(what, f"≤ {GOAL_SHARE:g}", f"{share:.3f}", share <= GOAL_SHARE))
    return found


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _row(
    result: Result,
    label: str,
    value: Callable[[str], float | None],
    digits: int,
    *,
    more_is_better: bool,
) -> list[str]:
    """A line of figures, then how many times better than each peer ours is."""
    names = [RAW, *result.gateways]
    cells = [_number(value(name), digits) for name in names]
    ours = value(OURS) if OURS in names else None
    for peer in result.gateways:
        if peer == OURS or OURS not in names:
            continue
        theirs = value(peer)
        if not ours or not theirs or ours < 0 or theirs < 0:
            cells.append("–")
        else:
            cells.append(f"{ours / theirs if more_is_better else theirs / ours:.1f} ×")
    return [label, *cells]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _head(result: Result, first: str) -> list[str]:
    peers = [name for name in result.gateways if name != OURS]
    ratios = [f"better than {peer}" for peer in peers] if OURS in result.gateways else []
    return [first, RAW, *result.gateways, *ratios]


def _load_tables(result: Result) -> str:
    def figure(read: Callable[[Figures], float], connections: int) -> Callable[[str], float | None]:
        def of(name: str) -> float | None:
            found = result.load.get((name, connections))
            return None if found is None else read(found)

        return of

    def added(
        percentile: Literal["p50_ms", "p99_ms"], connections: int
    ) -> Callable[[str], float | None]:
        return lambda name: None if name == RAW else added_ms(result, name, connections, percentile)

    text = "\n### Calls a second\n\n"
    text += _table(
        _head(result, "connections"),
        [
            _row(result, str(n), figure(lambda f: f.calls_per_second, n), 0, more_is_better=True)
            for n in result.connections
        ],
    )
    for percentile in ("p50_ms", "p99_ms"):
        text += f"\n### Added delay, {percentile.removesuffix('_ms')}, ms\n\n"
        text += _table(
            _head(result, "connections"),
            [
                _row(result, str(n), added(percentile, n), 2, more_is_better=False)
                for n in result.connections
            ],
        )
    text += "\n### Processor time of one call, µs (the target's process tree)\n\n"
    return text + _table(
        _head(result, "connections"),
        [
            _row(result, str(n), figure(lambda f: f.cpu_us, n), 0, more_is_better=False)
            for n in result.connections
        ],
    )


def _other_table(result: Result) -> str:
    def first_byte(name: str) -> float | None:
        return None if name == RAW else added_first_byte_ms(result, name)

    def memory(sizes: dict[str, int]) -> Callable[[str], float | None]:
        return lambda name: sizes[name] / MEBIBYTE if name in sizes else None

    rows = [
        _row(result, "first byte of a stream, added p50, ms", first_byte, 2, more_is_better=False),
        _row(
            result, "memory after start, MiB", memory(result.memory_idle), 0, more_is_better=False
        ),
        _row(
            result,
            "most memory after a step, MiB",
            memory(result.memory_most),
            0,
            more_is_better=False,
        ),
    ]
    return "\n### Streams and memory\n\n" + _table(_head(result, ""), rows)


def _metering(result: Result) -> str:
    if result.metered is None or result.answered is None:
        return ""
    metered, answered = result.metered, result.answered
    return (
        "\n### What the ledger says\n\n"
        f"modelmeter ran with all metering on and every call durable. The load saw "
        f"{answered.answers:,} answers from it and cut at most {answered.cut:,} calls in flight; "
        f"the upstream gave {answered.served:,} answers. `modelmeter report` says "
        f"**{metered.calls:,} calls**, {metered.errors:,} errors (of those cut), "
        f"{metered.unpriced_calls:,} without a price, **{metered.cost_usd} USD**.\n"
    )


def _cache(result: Result) -> str:
    if result.cache_hit is None:
        return ""
    hit = result.cache_hit
    row = [f"{hit.hit_p50_ms:.2f}", f"{hit.hit_p99_ms:.2f}", f"{hit.miss_p50_ms:.2f}"]
    row += [f"{hit.provider_shortest_ms:.2f}", f"{hit.share:.3f}"]
    head = ["one connection", "hit, p50", "hit, p99", "miss, p50", "provider's shortest", "share"]
    return "\n### Hits of the response cache, ms\n\n" + _table(head, [["embedding", *row]])


def render(result: Result) -> str:
    """The whole result as Markdown."""
    text = "\n## Result\n" + _load_tables(result) + _other_table(result) + _cache(result)
    text += _metering(result)
    if found := goals(result):
        rows = [[g.what, g.asked, g.measured, "yes" if g.reached else "**no**"] for g in found]
        text += "\n### Goals\n\n" + _table(["what", "goal", "measured", "reached"], rows)
    if result.faults:
        text += "\n### Failed steps\n\n" + "".join(f"- {fault}\n" for fault in result.faults)
    if result.peer_faults:
        faults = "".join(f"- {fault}\n" for fault in result.peer_faults)
        text += "\n### What a peer did not serve\n\n" + faults
    facts = [[name, fact] for name, fact in result.machine]
    facts += [[name, result.versions[name]] for name in result.gateways]
    text += "\n## Machine and versions\n\n" + _table(["what", "which"], facts)
    return text + f"\n{result.how}\n"
