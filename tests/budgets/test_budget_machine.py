"""
Any order of reserving, settling, releasing, crashing, clock jumps and changed limits.

After each step the ledger's windows equal those of a plain model, and no window of a budget that
blocks holds more than its limit, unless something that no hold could foresee has happened in it.
"""

import tempfile
import uuid
from decimal import Decimal
from pathlib import Path

import msgspec
from budget_cases import USD, budget
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from ledger_cases import NOW_NS, FixedClock, make_call, make_intent

from modelmeter.budgets.budget import AtLimit, Budget, Scope, Unit, amount_of_call, who_calls
from modelmeter.budgets.definitions import read_budgets, remove_budget, set_budget
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.drift import DriftCheck
from modelmeter.budgets.windows import Window, WindowKind, counted_from, slice_of
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.labels import LabelBook
from modelmeter.ledger.recovery import recover
from modelmeter.ledger.reservations import Opening
from modelmeter.ledger.series import SeriesTally
from modelmeter.ledger.transaction import Batch, Settlement, commit
from modelmeter.meter import refused_call
from modelmeter.record import Call, CallBound, Intent, PicoUsd, Status, TokenCounts

MINUTE_NS = 60 * 10**9
AGENTS = ("meetmind.notes", "meetmind.search", "other.one")
SCOPES = (Scope(), Scope(team="meetmind"), Scope(agent="meetmind.*"), Scope(agent="other.one"))
WINDOWS = (
    Window(WindowKind.HOUR, "Europe/Stockholm"),
    Window(WindowKind.DAY, "America/St_Johns"),
    Window(WindowKind.ROLLING, "UTC", 600),
)
COSTS = st.integers(0, 5) | st.integers(0, 3 * USD)
NAMES = st.sampled_from(("a", "b", "c"))


class BudgetMachine(RuleBasedStateMachine):
    """One process at a time on a ledger with budgets, and what should be in it."""

    open_calls: Bundle[Intent] = Bundle("open_calls")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "ledger.db"
        self.clock = FixedClock()
        self.entries: list[Call] = []
        self.holds: dict[str, dict[str, tuple[int, int]]] = {}
        """By call: the slice and the amount in each budget."""
        self.budgets: dict[str, Budget] = {}
        self.excused: set[str] = set()
        """Budgets in which more was spent than could be foreseen."""
        self.start()

    def teardown(self) -> None:
        self.drift.close()
        self.connection.close()
        self._folder.cleanup()

    def start(self) -> None:
        """A process begins."""
        self.owner = uuid.uuid4().hex
        self.connection = connect_writer(self.path)
        self.connection.execute("PRAGMA synchronous = OFF")
        self.desk = BudgetDesk(self.path, refused_call)
        self.desk.refresh(self.connection)
        labels = LabelBook(self.connection, values_max=200, value_bytes_max=128)
        self.tally = SeriesTally(labels)
        self.drift = DriftCheck(self.path, self.clock)

    def commit(self, batch: Batch) -> set[str]:
        """The ids of openings that were refused."""
        refused = commit(
            self.connection,
            batch,
            owner=self.owner,
            tally=self.tally,
            now_ns=self.clock.now_ns,
            reservations=self.desk,
        )
        self.entries += [one.entry for one in refused if one.entry is not None]
        return {one.intent.id for one in refused}

    def sums(self, name: str, at_ns: int) -> tuple[int, int]:
        """What should be settled and reserved in a budget's window of a moment."""
        one = self.budgets[name]
        from_ns = counted_from(one.window, at_ns)
        end_ns = 2**63 if one.window.rolls else slice_of(one.window, at_ns).end_ns
        settled = sum(
            amount_of_call(one.unit, call)
            for call in self.entries
            if from_ns <= call.intent.started_at_ns < end_ns
            and one.scope.matches(who_calls(call.intent))
        )
        held = [holds[name] for holds in self.holds.values() if name in holds]
        return settled, sum(amount for start_ns, amount in held if from_ns <= start_ns < end_ns)

    def expect(self, intent: Intent) -> bool:
        """Whether a call should be let through; it is held for if so."""
        assert intent.bound is not None
        cost = intent.bound.cost or 0
        applying = {
            name: (cost if one.unit is Unit.USD else USD)
            for name, one in self.budgets.items()
            if one.scope.matches(who_calls(intent))
        }
        for name, needed in applying.items():
            settled, reserved = self.sums(name, intent.started_at_ns)
            limit = self.budgets[name].limit_at(self.clock.now_ns)
            if self.budgets[name].stops and settled + reserved + needed > limit:
                return False
        self.holds[intent.id] = {
            name: (slice_of(self.budgets[name].window, intent.started_at_ns).start_ns, needed)
            for name, needed in applying.items()
            if needed
        }
        return True

    def look_again(self, name: str) -> None:
        """In another window, or with another limit, there may be too much from before."""
        spent = sum(self.sums(name, self.clock.now_ns))
        if spent > self.budgets[name].limit_at(self.clock.now_ns):
            self.excused.add(name)
        else:
            self.excused.discard(name)

    def intent(self, cost: int, agent_id: str) -> Intent:
        """A call that begins now."""
        bound = CallBound(cost=PicoUsd(cost), tokens=15, output_tokens=5)
        return msgspec.structs.replace(
            make_intent(agent_id=agent_id), started_at_ns=self.clock.now_ns, bound=bound
        )

    @initialize(limit=st.integers(0, 9))
    def begin(self, limit: int) -> None:
        self.define("a", limit, SCOPES[0], WINDOWS[0], Unit.USD, AtLimit.BLOCK)

    @rule(
        name=NAMES,
        limit=st.integers(0, 9),
        scope=st.sampled_from(SCOPES),
        window=st.sampled_from(WINDOWS),
        unit=st.sampled_from((Unit.USD, Unit.CALLS)),
        at_limit=st.sampled_from((AtLimit.BLOCK, AtLimit.BLOCK, AtLimit.ALERT)),
    )
    def define(
        self,
        name: str,
        limit: int,
        scope: Scope,
        window: Window,
        unit: Unit,
        at_limit: AtLimit,
    ) -> None:
        made = budget(name, scope=scope, window=window, unit=unit, at_limit=at_limit)
        made = msgspec.structs.replace(made, limit=Decimal(max(limit, 1)))
        before = self.budgets.get(name)
        if before is None or not before.counts_as(made):
            for holds in self.holds.values():
                holds.pop(name, None)
        set_budget(self.connection, made, self.clock.now_ns)
        self.budgets[name] = made
        self.look_again(name)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if self.budgets.pop(name, None) is not None:
            remove_budget(self.connection, name)
            for holds in self.holds.values():
                holds.pop(name, None)

    @rule(
        target=open_calls,
        wanted=st.lists(st.tuples(COSTS, st.sampled_from(AGENTS)), min_size=1, max_size=6),
    )
    def reserve(self, wanted: list[tuple[int, str]]) -> MultipleResults[Intent]:
        intents = [self.intent(cost, agent) for cost, agent in wanted]
        expected = {intent.id for intent in intents if not self.expect(intent)}

        refused = self.commit(Batch(bounded=[Opening(intent) for intent in intents]))

        assert refused == expected
        return multiple(*(intent for intent in intents if intent.id not in refused))

    @rule(intent=consumes(open_calls), share=st.integers(0, 4), more=st.booleans())
    def settle(self, intent: Intent, share: int, more: bool) -> None:
        if intent.id not in self.holds:
            return
        assert intent.bound is not None
        cost = (intent.bound.cost or 0) * share // 4
        if more:
            cost += 1
        call = make_call(intent, cost=cost, tokens=TokenCounts(input=10, output=5))
        self.commit(Batch(settlements=[Settlement(call)]))
        held = self.holds.pop(intent.id)
        self.entries.append(call)
        self._excuse(call, held)

    @rule(intent=consumes(open_calls))
    def release(self, intent: Intent) -> None:
        self.commit(Batch(withdrawals=[intent.id]))
        self.holds.pop(intent.id, None)

    @rule(cost=COSTS, agent=st.sampled_from(AGENTS), minutes=st.integers(-3000, 3))
    def record(self, cost: int, agent: str, minutes: int) -> None:
        """An entry that never was open, of any time."""
        at_ns = self.clock.now_ns + minutes * MINUTE_NS
        intent = msgspec.structs.replace(self.intent(cost, agent), started_at_ns=at_ns)
        call = make_call(intent, cost=cost)
        self.commit(Batch(records=[call]))
        self.entries.append(call)
        self._excuse(call, {})

    @rule(minutes=st.sampled_from((1, 7, 59, 61, 1440, -1, -59, -90)))
    def jump(self, minutes: int) -> None:
        """The clock goes on, or is set."""
        self.clock.now_ns = max(self.clock.now_ns + minutes * MINUTE_NS, NOW_NS // 2)
        for name in self.budgets:
            self.look_again(name)

    @rule(clean=st.booleans())
    def crash(self, clean: bool) -> None:
        """The process dies, or ends; another one takes the ledger over."""
        if not clean:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("DELETE FROM budget_hold")
        self.connection.close()
        self.drift.close()
        self.start()

        def lost(intent: Intent) -> Call:
            assert intent.bound is not None
            cost = intent.bound.cost or 0
            return make_call(intent, status=Status.UNKNOWN, cost=cost)

        recovered = recover(
            self.connection,
            self.path,
            owner=self.owner,
            tally=self.tally,
            now_ns=self.clock.now_ns,
            lost_call=lost,
            reservations=self.desk,
        )
        assert recovered == len(self.holds)
        for call_id, held in self.holds.items():
            text = self.connection.execute(
                "SELECT cost_pico_usd, started_at_ns, agent_id FROM entry WHERE id = ?", (call_id,)
            ).fetchone()
            cost, at_ns, agent = text
            intent = msgspec.structs.replace(self.intent(cost, agent), started_at_ns=at_ns)
            call = make_call(intent, status=Status.UNKNOWN, cost=cost)
            self.entries.append(call)
            # What was open before a budget was set is not held in it.
            self._excuse(call, held)
        self.holds.clear()

    def _excuse(self, call: Call, held: dict[str, tuple[int, int]]) -> None:
        for name, one in self.budgets.items():
            _, amount = held.get(name, (0, 0))
            if amount_of_call(one.unit, call) > amount:
                self.excused.add(name)

    @invariant()
    def windows_are_those_of_the_model(self) -> None:
        assert set(self.drift.check().values()) <= {0}
        for stored in read_budgets(self.connection):
            name, window = stored.budget.name, stored.budget.window
            from_ns = counted_from(window, self.clock.now_ns)
            end_ns = 2**63 - 1 if window.rolls else slice_of(window, self.clock.now_ns).end_ns
            if from_ns < stored.counted_from_ns:
                # The clock went back behind what is counted; the next call has it counted.
                continue
            row = self.connection.execute(
                "SELECT coalesce(sum(settled_whole), 0), coalesce(sum(settled_pico), 0),"
                " coalesce(sum(reserved_whole), 0), coalesce(sum(reserved_pico), 0)"
                " FROM budget_window WHERE budget_id = ? AND start_ns >= ? AND start_ns < ?",
                (stored.id, from_ns, end_ns),
            ).fetchone()
            stands = (row[0] * USD + row[1], row[2] * USD + row[3])
            assert stands == self.sums(name, self.clock.now_ns)
            if name not in self.excused and stored.budget.stops:
                assert sum(stands) <= stored.budget.limit_at(self.clock.now_ns)

    @invariant()
    def every_hold_belongs_to_an_open_call(self) -> None:
        held = {row[0] for row in self.connection.execute("SELECT call_id FROM budget_hold")}
        opened = {row[0] for row in self.connection.execute("SELECT id FROM open_call")}
        assert held <= opened
        assert opened == set(self.holds)


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=40, stateful_step_count=30)
