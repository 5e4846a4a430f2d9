"""One transaction's part for budgets: what is held, settled and released in it."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from modelmeter.budgets.budget import Who, amount_of_bound, amount_of_call, who_calls
from modelmeter.budgets.decision import Claim, decide, in_units
from modelmeter.budgets.definitions import StoredBudget, forget_slices, recount
from modelmeter.budgets.events import FIRST_REFUSAL, OVERRUN, BudgetEvent, insert_events
from modelmeter.budgets.refusal import exceeded
from modelmeter.budgets.rule import Rule, Told
from modelmeter.budgets.standings import Standings
from modelmeter.budgets.windows import alert_window
from modelmeter.ledger.reservations import Ends, Opening, Refused
from modelmeter.ledger.series import (
    BUDGET_BLOCKED,
    BUDGET_DOWNGRADED,
    BUDGET_OVERRUN,
    BUDGET_SHADOW,
    SeriesTally,
)
from modelmeter.record import PICO_PER_USD, Call, ErrorType, Intent

__all__ = ["BudgetTurn"]

_HOLDS_OF = """
SELECT call_id, budget_id, start_ns, whole, pico FROM budget_hold
WHERE call_id IN (SELECT value FROM json_each(?))
"""
_END_HOLDS = "DELETE FROM budget_hold WHERE call_id IN (SELECT value FROM json_each(?))"
_HOLD = """
INSERT INTO budget_hold (call_id, budget_id, start_ns, owner, whole, pico)
SELECT value ->> 0, value ->> 1, value ->> 2, ?, value ->> 3, value ->> 4 FROM json_each(?)
"""
_MARK = "INSERT INTO budget_mark (budget_id, mark, call_id, at_ns) VALUES (?, ?, ?, ?)"
_MARK_OF = {
    BUDGET_BLOCKED: "blocked",
    BUDGET_DOWNGRADED: "downgraded",
    BUDGET_OVERRUN: "overrun",
    BUDGET_SHADOW: "shadow",
}
_encode = msgspec.json.Encoder().encode

Hold = tuple[int, int]
"""The start of a slice, and the amount held in it."""


class BudgetTurn:
    """See `modelmeter.ledger.reservations.Turn`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        rules: Mapping[int, Rule],
        match: Callable[[Who], tuple[Rule, ...]],
        *,
        owner: str,
        now_ns: int,
        refused_call: Callable[[Intent, ErrorType, str], Call],
        held_retry_after_seconds: float,
    ) -> None:
        self._connection = connection
        self._rules = rules
        self._match = match
        self._owner = owner
        self._now_ns = now_ns
        self._refused_call = refused_call
        self._held_retry_after_seconds = held_retry_after_seconds
        self._standings = Standings(connection)
        self._holds: dict[str, dict[int, Hold]] = {}
        self._ended: list[str] = []
        self._marks: list[tuple[Rule, str, str]] = []
        self._moments: dict[int, int] = {}
        """Of each budget that more was settled for: a moment of the last window it was in."""
        self._events: list[BudgetEvent] = []
        self._told: defaultdict[int, Told] = defaultdict(set)
        self._recounted: dict[int, StoredBudget] = {}

    def take(self, openings: Sequence[Opening], ends: Ends) -> list[Refused]:
        """See `Turn.take`."""
        for opening in openings:
            self._reach_back(opening.intent)
        holds = self._end([call.intent.id for call in ends.settled])
        for call in ends.settled:
            self._count(call, holds.get(call.intent.id, {}))
        for call in ends.recorded:
            self._count(call, {})
        decided = [self._reserve(opening) for opening in openings]
        self._end(ends.withdrawn)
        return [refused for refused in decided if refused is not None]

    def write(self, tally: SeriesTally) -> None:
        """See `Turn.write`."""
        connection = self._connection
        if self._ended:
            connection.execute(_END_HOLDS, (_encode(self._ended).decode(),))
        rows = [
            (call_id, number, start_ns, *divmod(amount, PICO_PER_USD))
            for call_id, holds in self._holds.items()
            for number, (start_ns, amount) in holds.items()
        ]
        if rows:
            connection.execute(_HOLD, (self._owner, _encode(rows).decode()))
        for number, at_ns in self._moments.items():
            self._cross(self._rules[number], at_ns)
        if self._events:
            insert_events(connection, self._events)
        if self._marks:
            marks = [
                (rule.id, _MARK_OF[kind], call_id, self._now_ns)
                for rule, kind, call_id in self._marks
            ]
            connection.executemany(_MARK, marks)
        for rule, kind, _ in self._marks:
            tally.add_budget(kind, rule.budget.name)
        for changed in self._standings.write():
            of_changed = self._rules.get(changed)
            if of_changed is not None and of_changed.rolls:
                forget_slices(connection, of_changed.stored, self._now_ns)

    def committed(self) -> None:
        """See `Turn.committed`."""
        for number, told in self._told.items():
            self._rules[number].tell(told)
        for number, stored in self._recounted.items():
            self._rules[number].stored = stored

    def _reach_back(self, intent: Intent) -> None:
        """Where the clock has gone back, count the entries of that earlier window first."""
        at_ns = intent.started_at_ns
        for rule in self._match(who_calls(intent)):
            stored = self._recounted.get(rule.id, rule.stored)
            from_ns = rule.counted_from(at_ns)
            if from_ns < stored.counted_from_ns:
                self._recounted[rule.id] = recount(self._connection, stored, from_ns)

    def _end(self, ids: Sequence[str]) -> dict[str, dict[int, Hold]]:
        """Give the holds of calls back; which they were."""
        ended: defaultdict[str, dict[int, Hold]] = defaultdict(dict)
        if not ids or not self._rules:
            return ended
        for call_id, number, start_ns, whole, pico in self._connection.execute(
            _HOLDS_OF, (_encode(ids).decode(),)
        ):
            ended[call_id][number] = (start_ns, whole * PICO_PER_USD + pico)
        self._ended += ended
        for call_id in ids:
            # Of a call that is withdrawn in the very transaction that opened it.
            if call_id in self._holds:
                ended[call_id] = self._holds.pop(call_id)
        for holds in ended.values():
            for number, (start_ns, amount) in holds.items():
                self._standings.at(number, start_ns).reserve(-amount)
        return ended

    def _count(self, call: Call, holds: Mapping[int, Hold]) -> None:
        started_at_ns = call.intent.started_at_ns
        for rule in self._match(who_calls(call.intent)):
            amount = amount_of_call(rule.budget.unit, call)
            hold = holds.get(rule.id)
            start_ns = rule.slice_of(started_at_ns).start_ns if hold is None else hold[0]
            stored = self._recounted.get(rule.id, rule.stored)
            if start_ns < stored.counted_from_ns or not amount:
                continue
            self._standings.at(rule.id, start_ns).settle(amount)
            self._moments[rule.id] = max(self._moments.get(rule.id, 0), started_at_ns)
            if hold is not None and amount > hold[1]:
                self._marks.append((rule, BUDGET_OVERRUN, call.intent.id))
                self._tell(rule, OVERRUN, started_at_ns)

    def _reserve(self, opening: Opening) -> Refused | None:
        intent = opening.intent
        at_ns = intent.started_at_ns
        rules = self._match(who_calls(intent))
        claims = [self._claim(rule, opening) for rule in rules]
        verdict = decide(claims, intent.model)
        for place in verdict.shadows:
            self._marks.append((rules[place], BUDGET_SHADOW, intent.id))
        if verdict.stopped_by is not None:
            other = verdict.downgrade_to if opening.takes_other_model else None
            return self._refuse(
                opening, rules[verdict.stopped_by], claims[verdict.stopped_by], other
            )
        holds = {}
        for rule, claim in zip(rules, claims, strict=True):
            if claim.needed:
                start_ns = rule.slice_of(at_ns).start_ns
                self._standings.at(rule.id, start_ns).reserve(claim.needed)
                holds[rule.id] = (start_ns, claim.needed)
            if rule.budget.name == opening.downgraded_by:
                self._marks.append((rule, BUDGET_DOWNGRADED, intent.id))
        if holds:
            self._holds[intent.id] = holds
        return None

    def _claim(self, rule: Rule, opening: Opening) -> Claim:
        at_ns = opening.intent.started_at_ns
        settled, reserved = self._standings.sums(rule, rule.counted_from(at_ns))
        return Claim(
            budget=rule.budget,
            needed=amount_of_bound(rule.budget.unit, opening.intent.bound),
            limit=rule.limit_at(self._now_ns),
            settled=settled,
            reserved=reserved,
        )

    def _refuse(
        self, opening: Opening, rule: Rule, claim: Claim, downgrade_to: str | None
    ) -> Refused:
        intent = opening.intent
        found = rule.slice_of(intent.started_at_ns)
        error = exceeded(
            claim,
            found,
            self._now_ns,
            downgrade_to,
            held_retry_after_seconds=self._held_retry_after_seconds,
        )
        if downgrade_to is not None or opening.asks_again:
            return Refused(intent, error, None)
        self._marks.append((rule, BUDGET_BLOCKED, intent.id))
        self._tell(rule, FIRST_REFUSAL, intent.started_at_ns, claim.needed)
        entry = self._refused_call(intent, ErrorType.BUDGET_EXCEEDED, error.message)
        return Refused(intent, error, entry)

    def _cross(self, rule: Rule, at_ns: int) -> None:
        """Tell the thresholds that what is settled has reached."""
        if rule.rolls:
            at_ns = self._now_ns
        settled, _ = self._standings.sums(rule, rule.counted_from(at_ns))
        limit = rule.limit_at(self._now_ns)
        for threshold in rule.budget.thresholds:
            if settled * 100 < limit * threshold:
                break
            self._tell(rule, threshold, at_ns)

    def _tell(self, rule: Rule, threshold: int, at_ns: int, asked: int | None = None) -> None:
        budget = rule.budget
        span = alert_window(budget.window, at_ns)
        told = (span.start_ns, threshold)
        if told in rule.told or told in self._told[rule.id]:
            return
        self._told[rule.id].add(told)
        settled, reserved = self._standings.sums(rule, rule.counted_from(at_ns))
        self._events.append(
            BudgetEvent(
                budget_id=rule.id,
                budget=budget.name,
                threshold=threshold,
                window_start_ns=span.start_ns,
                window_end_ns=None if budget.window.rolls else span.end_ns,
                at_ns=self._now_ns,
                unit=budget.unit.value,
                limit=in_units(rule.limit_at(self._now_ns)),
                settled=in_units(settled),
                reserved=in_units(reserved),
                asked=None if asked is None else in_units(asked),
            )
        )
