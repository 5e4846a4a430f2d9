"""Sums by way of the rollups are the sums of the entries, whatever is rolled up already."""

import itertools
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmeter.ledger.entries import EntryFilter, Place, entries_page
from modelmeter.ledger.facts import DURATION_FACTS, FACTS
from modelmeter.ledger.rollup import roll_up, rollup_lag
from modelmeter.ledger.schema import migrate
from modelmeter.ledger.series import DURATION_EDGES_SECONDS
from modelmeter.ledger.usage import Dimension, Span, facts, failures
from modelmeter.ledger.usage_filter import UsageFilter

NS = 10**9
DAY = 86_400
PICO = 10**12
START = 1_790_000_000 // DAY * DAY
DAYS = 4
STEPS = (0, 15, 60, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
NAMES = ("calls", "cost_usd", "cost_pico", "tokens", "unpriced", "cached", *DURATION_FACTS)

INSERT = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
  provider, operation, model, streamed, status, error_type, duration_ns, time_to_first_token_ns,
  tokens_input, tokens_cache_read, tokens_cache_write_5m, tokens_cache_write_1h, tokens_output,
  tokens_reasoning, tokens_audio_input, tokens_audio_output, tokens_image_input,
  tokens_image_output, cost_pico_usd, cost_state, cached, cost_saved_pico_usd)
VALUES (:id, :id, 0, :at_ns, :tenant, :team, :agent, '', :provider, 'chat', :model, 0, :status,
  :error_type, :duration_ns, NULL, :tokens, 0, 0, 0, 0, 0, 0, 0, 0, 0, :cost, :state, :cached, 0)
"""


INSERT_CORRECTION = """
INSERT INTO correction (entry_seq, started_at_ns, corrected_at_ns, cost_pico_usd,
  cost_saved_pico_usd, cost_state, cost_delta_pico_usd, cost_saved_delta_pico_usd, unpriced_delta)
VALUES (:seq, :at_ns, 0, :cost, 0, :state, :cost_delta, 0, :unpriced_delta)
"""


@dataclass(frozen=True)
class Correction:
    """That an entry costs something else, known after so many entries."""

    after: int
    of: int
    cost: int
    state: str


@dataclass(frozen=True)
class Entry:
    """What the sums of these tests read of an entry."""

    at_ns: int
    tenant: str
    team: str
    agent: str
    provider: str
    model: str
    status: str
    error_type: str | None
    duration_ns: int
    tokens: int
    cost: int
    state: str
    cached: int

    def facts(self) -> tuple[int, ...]:
        """In the order of `NAMES`, read off without SQL."""
        edges_ns = [int(edge * NS) for edge in DURATION_EDGES_SECONDS]
        buckets = [0] * len(DURATION_FACTS)
        if self.status not in ("unknown", "blocked"):
            buckets[bisect_left(edges_ns, self.duration_ns)] = 1
        usd, pico = divmod(self.cost, PICO)
        return (1, usd, pico, self.tokens, int(self.state == "unpriced"), self.cached, *buckets)


def times_ns() -> st.SearchStrategy[int]:
    """Any moment of some days, and often one beside a border."""
    free = st.integers(0, DAYS * DAY * NS)
    border = st.integers(0, DAYS * DAY // 900).map(lambda quarter: quarter * 900 * NS)
    near = st.builds(lambda at, by: max(at + by, 0), border, st.integers(-1, 1))
    return st.one_of(free, near).map(lambda offset: START * NS + offset)


ENTRIES = st.lists(
    st.builds(
        Entry,
        at_ns=times_ns(),
        tenant=st.sampled_from(["", "acme", "umbrella"]),
        team=st.sampled_from(["a", "b"]),
        agent=st.sampled_from(["a.1", "a.2", "other"]),
        provider=st.sampled_from(["openai", "genai"]),
        model=st.sampled_from(["m1", "m2"]),
        status=st.sampled_from(["success", "error", "timeout", "cancelled", "blocked", "unknown"]),
        error_type=st.sampled_from([None, "rate_limit", "timeout"]),
        duration_ns=st.one_of(
            st.integers(0, 700 * NS),
            st.sampled_from([int(edge * NS) for edge in DURATION_EDGES_SECONDS]),
        ),
        tokens=st.integers(0, 10**9),
        cost=st.one_of(st.integers(0, 10**13), st.integers(0, 8 * 10**18)),
        state=st.sampled_from(["priced", "unpriced"]),
        cached=st.integers(0, 1),
    ).map(lambda entry: replace(entry, error_type=None) if entry.status == "success" else entry),
    max_size=40,
)
CORRECTIONS = st.lists(
    st.builds(
        Correction,
        after=st.integers(0, 40),
        of=st.integers(0, 39),
        cost=st.one_of(st.just(0), st.integers(0, 10**13), st.integers(0, 8 * 10**18)),
        state=st.sampled_from(["priced", "unpriced"]),
    ),
    max_size=6,
)
FILTERS = st.builds(
    UsageFilter,
    agent=st.sampled_from([(), ("a.1",), ("a.1", "other"), ("nobody",)]),
    team=st.sampled_from([(), ("a",)]),
    provider=st.sampled_from([(), ("openai",)]),
    tenant=st.sampled_from([(), ("",), ("acme",)]),
)


@contextmanager
def ledger(
    entries: Sequence[Entry], rolled_up: Sequence[int], corrections: Sequence[Correction] = ()
) -> Iterator[sqlite3.Connection]:
    """A ledger whose entries came in this order, with roll-ups and corrections on the way."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    steps = list(rolled_up)
    known = list(entries)
    for number, entry in enumerate(entries):
        connection.execute(INSERT, {"id": str(number), **entry.__dict__})
        for correction in corrections:
            if correction.after == number:
                correct(connection, known, correction)
        if steps and number % 3 == 2:
            roll_up(connection, entries_max=steps.pop())
    if steps:
        roll_up(connection, entries_max=steps.pop())
    try:
        yield connection
    finally:
        connection.close()


def correct(connection: sqlite3.Connection, known: list[Entry], correction: Correction) -> None:
    """Write a correction, and what is known by it."""
    place = correction.of % (correction.after + 1)
    before = known[place]
    known[place] = replace(before, cost=correction.cost, state=correction.state)
    connection.execute(
        INSERT_CORRECTION,
        {
            "seq": place + 1,
            "at_ns": before.at_ns,
            "cost": correction.cost,
            "state": correction.state,
            "cost_delta": correction.cost - before.cost,
            "unpriced_delta": (correction.state == "unpriced") - (before.state == "unpriced"),
        },
    )


def as_known(entries: Sequence[Entry], corrections: Sequence[Correction]) -> list[Entry]:
    """The entries by what is known at the end."""
    known = list(entries)
    for number in range(len(entries)):
        for correction in corrections:
            if correction.after == number:
                place = correction.of % (number + 1)
                known[place] = replace(known[place], cost=correction.cost, state=correction.state)
    return known


def fits(entry: Entry, span: Span, wanted: UsageFilter) -> bool:
    """Whether an entry counts, decided without SQL."""
    in_time = span.start_ns <= entry.at_ns < span.end_ns
    return in_time and all(
        not values or getattr(entry, name) in values
        for name, values in msgspec.structs.asdict(wanted).items()
    )


@given(
    entries=ENTRIES,
    corrections=CORRECTIONS,
    rolled_up=st.lists(st.integers(1, 20), max_size=10),
    ends=st.tuples(times_ns(), times_ns()),
    wanted=FILTERS,
    by=st.sampled_from(Dimension),
    step=st.sampled_from(STEPS),
)
@settings(max_examples=300)
def test_sums_are_those_of_the_entries_at_every_state_of_the_rollups(
    entries: list[Entry],
    corrections: list[Correction],
    rolled_up: list[int],
    ends: tuple[int, int],
    wanted: UsageFilter,
    by: Dimension,
    step: int,
) -> None:
    span = Span(min(ends), max(ends))
    expected: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0] * len(NAMES))
    for entry in as_known(entries, corrections):
        if fits(entry, span, wanted):
            name = "" if by is Dimension.NONE else getattr(entry, by.value)
            at = entry.at_ns // NS // step * step if step else 0
            group = expected[name, at]
            for place, amount in enumerate(entry.facts()):
                group[place] += amount

    with ledger(entries, rolled_up, corrections) as connection:
        rows = facts(connection, span, wanted, NAMES, by=by, step_seconds=step)

    assert {(name, at): whole(sums) for name, at, sums in rows} == {
        key: whole(sums) for key, sums in expected.items()
    }


def whole(sums: Sequence[int]) -> tuple[int, ...]:
    """Sums with the cost's two parts as one: its parts may be carried over or not."""
    calls, usd, pico, *rest = sums
    return (calls, usd * PICO + pico, *rest)


@given(
    entries=ENTRIES,
    rolled_up=st.lists(st.integers(1, 20), max_size=10),
    corrections=CORRECTIONS,
    cuts=st.lists(times_ns(), min_size=2, max_size=8),
    by=st.sampled_from(Dimension),
)
@settings(max_examples=200)
def test_the_parts_of_a_span_add_up_to_the_whole(
    entries: list[Entry],
    rolled_up: list[int],
    corrections: list[Correction],
    cuts: list[int],
    by: Dimension,
) -> None:
    cuts.sort()
    with ledger(entries, rolled_up, corrections) as connection:

        def calls_and_cost(start_ns: int, end_ns: int) -> list[int]:
            rows = facts(connection, Span(start_ns, end_ns), UsageFilter(), NAMES[:3], by=by)
            return [
                sum(sums[0] for _, _, sums in rows),
                sum(sums[1] * PICO + sums[2] for _, _, sums in rows),
            ]

        parts = [calls_and_cost(*ends) for ends in itertools.pairwise(cuts)]

        assert [sum(amounts) for amounts in zip(*parts, strict=True)] == calls_and_cost(
            cuts[0], cuts[-1]
        )


@given(entries=ENTRIES, rolled_up=st.lists(st.integers(1, 20), max_size=10), wanted=FILTERS)
@settings(max_examples=100)
def test_failures_are_those_of_the_entries(
    entries: list[Entry], rolled_up: list[int], wanted: UsageFilter
) -> None:
    span = Span(START * NS, (START + DAYS * DAY) * NS + 2)
    expected: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        if entry.status != "success" and fits(entry, span, wanted):
            expected[entry.provider, entry.error_type or entry.status] += 1

    with ledger(entries, rolled_up) as connection:
        rows = failures(connection, span, wanted)

    assert {(provider, why): calls for provider, why, _, calls in rows} == expected


@given(
    entries=ENTRIES,
    rolled_up=st.lists(st.integers(1, 20), max_size=10),
    ends=st.tuples(times_ns(), times_ns()),
    wanted=FILTERS,
    ended=st.builds(
        EntryFilter,
        status=st.sampled_from([(), ("error",), ("success", "unknown")]),
        error_type=st.sampled_from([(), (), ("timeout",)]),
    ),
    limit=st.integers(1, 5),
)
@settings(max_examples=200)
def test_the_pages_of_a_filter_are_the_entries_that_fit_each_once(
    entries: list[Entry],
    rolled_up: list[int],
    ends: tuple[int, int],
    wanted: UsageFilter,
    ended: EntryFilter,
    limit: int,
) -> None:
    span = Span(min(ends), max(ends))
    expected = [
        (entry.at_ns, number + 1)
        for number, entry in enumerate(entries)
        if fits(entry, span, wanted)
        and (not ended.status or entry.status in ended.status)
        and (not ended.error_type or entry.error_type in ended.error_type)
    ]
    found: list[Place] = []

    with ledger(entries, rolled_up) as connection:
        while True:
            before = found[-1] if found else None
            rows = entries_page(connection, span, wanted, ended, before=before, limit=limit)
            found += [(int(str(row["started_at_ns"])), int(str(row["seq"]))) for row in rows]
            if len(rows) < limit:
                break

    assert found == sorted(expected, reverse=True)


def test_groups_not_kept_come_together() -> None:
    entries = [
        Entry(START * NS, "", agent, agent, "openai", "m1", "success", None, 1, 5, 7, "priced", 0)
        for agent in ("a", "b", "c")
    ]
    span = Span(START * NS, (START + 1) * NS)

    with ledger(entries, []) as connection:
        rows = facts(
            connection,
            span,
            UsageFilter(),
            ("calls",),
            by=Dimension.TEAM,
            kept=["b"],
            other="other",
        )

    assert sorted(rows) == [("b", 0, (1,)), ("other", 0, (2,))]


def test_a_ledger_is_rolled_up_to_its_end_and_no_entry_twice() -> None:
    entry = Entry(START * NS, "", "a", "a.1", "openai", "m", "success", None, 1, 5, 7, "priced", 0)
    with ledger([entry] * 10, []) as connection:
        steps = [roll_up(connection, entries_max=4) for _ in range(4)]

        assert steps == [4, 4, 2, 0]
        assert rollup_lag(connection) == 0
        kept = connection.execute("SELECT level_seconds, calls FROM rollup_total").fetchall()
        assert sorted(kept) == [(900, 10), (3600, 10), (21_600, 10), (86_400, 10)]


def test_a_correction_waits_for_its_entry_and_counts_once() -> None:
    entry = Entry(START * NS, "", "a", "a.1", "openai", "m", "success", None, 1, 5, 7, "priced", 0)
    span = Span(START * NS - 1, (START + 900) * NS)
    costs = []
    later = replace(entry, agent="b.1")
    correction = Correction(after=1, of=1, cost=100, state="priced")
    with ledger([entry, later], [], [correction]) as opened:
        for _ in range(4):
            ((_, _, (usd, pico)),) = facts(
                opened, span, UsageFilter(), ("cost_usd", "cost_pico"), by=Dimension.PROVIDER
            )
            costs.append(usd * PICO + pico)
            roll_up(opened, entries_max=1)
        lag = rollup_lag(opened)

    assert costs == [107] * 4
    assert lag == 0


def test_the_kept_columns_are_the_facts() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(rollup_total)")]
    connection.close()

    assert columns[2:] == list(FACTS)


@pytest.mark.parametrize("by", Dimension)
@pytest.mark.parametrize("step", [0, 60, 900, 86_400])
@pytest.mark.parametrize("wanted", [UsageFilter(), UsageFilter(agent=("a",))])
def test_no_sum_reads_the_whole_ledger(by: Dimension, step: int, wanted: UsageFilter) -> None:
    with ledger([], []) as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        facts(
            connection,
            Span(START * NS + 1, (START + DAY) * NS),
            wanted,
            NAMES,
            by=by,
            step_seconds=step,
        )
        connection.set_trace_callback(None)
        (statement,) = [one for one in statements if "part_sums" in one]
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]

    read = [step for step in plan if step.split()[1] in ("e", "r", "c")]
    assert len(read) == 7
    assert all(step.startswith("SEARCH") for step in read), plan
