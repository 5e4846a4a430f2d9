"""One transaction's part for throttles: who is let through, and what ends."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from modelmeter.budgets.budget import Who, who_calls
from modelmeter.budgets.throttling.throttle import (
    WINDOW_SECONDS,
    Excess,
    Level,
    Throttle,
    excess_of,
)
from modelmeter.errors import ThrottledError
from modelmeter.ledger.reservations import Ends, Opening, Refused
from modelmeter.record import Call, ErrorType, Intent

__all__ = ["ThrottleTurn"]

_SLOTS = (
    "SELECT second, calls, tokens FROM throttle_slot WHERE throttle = ? AND second BETWEEN ? AND ?"
)
# A throttle that was taken out of the configuration for a while leaves the holds of that time.
_RUNNING = """
SELECT count(*) FROM throttle_hold WHERE throttle = ? AND call_id IN (SELECT id FROM open_call)
"""
_HOLDS_OF = """
SELECT call_id, throttle, second, tokens FROM throttle_hold
WHERE call_id IN (SELECT value FROM json_each(?))
"""
_END_HOLDS = "DELETE FROM throttle_hold WHERE call_id IN (SELECT value FROM json_each(?))"
_HOLD = "INSERT INTO throttle_hold (call_id, throttle, second, tokens) VALUES (?, ?, ?, ?)"
_ADD = """
INSERT INTO throttle_slot (throttle, second, calls, tokens) VALUES (?1, ?2, max(?3, 0), max(?4, 0))
ON CONFLICT (throttle, second) DO UPDATE SET
    calls = max(calls + ?3, 0), tokens = max(tokens + ?4, 0)
"""
_FORGET = "DELETE FROM throttle_slot WHERE throttle = ? AND second < ?"

_NS = 1_000_000_000
_KEPT_SECONDS = 2 * WINDOW_SECONDS
_AHEAD_SECONDS = 2
"""How far ahead another process' clock may be; slots beyond are of a clock that went back."""

_encode = msgspec.json.Encoder().encode

Hold = tuple[int, int]
"""The second in which a call was let through, and the tokens held for it."""


class ThrottleTurn:
    """Decides in the ledger's transaction, so that all processes on it share each quota."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        match: Callable[[Who], tuple[Throttle, ...]],
        *,
        now_ns: int,
        refused_call: Callable[[Intent, ErrorType, str], Call],
    ) -> None:
        self._connection = connection
        self._match = match
        self._now_ns = now_ns
        self._second = now_ns // _NS
        self._refused_call = refused_call
        self._levels: dict[str, Level] = {}
        self._holds: dict[str, dict[str, Hold]] = {}
        self._ended: list[str] = []
        self._changes: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])

    def take(self, openings: Sequence[Opening], ends: Ends) -> list[Refused]:
        """See `modelmeter.ledger.reservations.Turn.take`; withdrawals come after it."""
        used = {call.intent.id: call.tokens.total for call in ends.settled}
        for call_id, holds in self._end(used).items():
            for name, (second, tokens) in holds.items():
                self._change(name, second, 0, used[call_id] - tokens)
        decided = [self._let_through(opening) for opening in openings]
        return [refused for refused in decided if refused is not None]

    def withdraw(self, ids: Sequence[str]) -> None:
        """Calls that were not made after all use up nothing."""
        for holds in self._end(ids).values():
            for name, (second, tokens) in holds.items():
                self._change(name, second, -1, -tokens)

    def write(self) -> None:
        """Write everything, as the last thing before the commit."""
        connection = self._connection
        if self._ended:
            connection.execute(_END_HOLDS, (_encode(self._ended).decode(),))
        rows = [
            (call_id, name, second, tokens)
            for call_id, holds in self._holds.items()
            for name, (second, tokens) in holds.items()
        ]
        if rows:
            connection.executemany(_HOLD, rows)
        if self._changes:
            changes = [(*slot, *change) for slot, change in self._changes.items()]
            connection.executemany(_ADD, changes)
            oldest = self._second - _KEPT_SECONDS
            names = {name for name, _ in self._changes}
            connection.executemany(_FORGET, [(name, oldest) for name in names])

    def _let_through(self, opening: Opening) -> Refused | None:
        intent = opening.intent
        throttles = self._match(who_calls(intent))
        tokens = 0 if intent.bound is None else intent.bound.tokens
        for throttle in throttles:
            excess = excess_of(throttle, self._level(throttle.name), tokens, self._now_ns)
            if excess is not None:
                return self._refuse(opening, throttle, excess)
        for throttle in throttles:
            self._level(throttle.name).running += 1
            self._change(throttle.name, self._second, 1, tokens)
        if throttles:
            self._holds[intent.id] = {one.name: (self._second, tokens) for one in throttles}
        return None

    def _refuse(self, opening: Opening, throttle: Throttle, excess: Excess) -> Refused:
        intent = opening.intent
        hint = "" if excess.ever_fits else "; this call alone can use more"
        error = ThrottledError(
            f"throttle {throttle.name!r} lets through {excess.limit}{hint}",
            throttle=throttle.name,
            retry_after_seconds=excess.retry_after_seconds,
            queue_seconds=throttle.queue_seconds if excess.ever_fits else 0,
            queue_max=throttle.queue_max,
        )
        if opening.asks_again:
            return Refused(intent, error, None)
        entry = self._refused_call(intent, ErrorType.THROTTLED, error.message)
        return Refused(intent, error, entry)

    def _level(self, name: str) -> Level:
        level = self._levels.get(name)
        if level is None:
            span = (name, self._second - WINDOW_SECONDS + 1, self._second + _AHEAD_SECONDS)
            slots = {
                second: (calls, tokens)
                for second, calls, tokens in self._connection.execute(_SLOTS, span)
            }
            ((running,),) = self._connection.execute(_RUNNING, (name,)).fetchall()
            level = self._levels[name] = Level(slots, running)
        return level

    def _change(self, name: str, second: int, calls: int, tokens: int) -> None:
        change = self._changes[name, second]
        change[0] += calls
        change[1] += tokens
        if second > self._second - WINDOW_SECONDS:
            self._level(name).add(second, calls, tokens)

    def _end(self, ids: Iterable[str]) -> dict[str, dict[str, Hold]]:
        """The holds of calls that end, given back."""
        ended: defaultdict[str, dict[str, Hold]] = defaultdict(dict)
        wanted = list(ids)
        if not wanted:
            return ended
        for call_id in wanted:
            if call_id in self._holds:
                ended[call_id] = self._holds.pop(call_id)
        for call_id, name, second, tokens in self._connection.execute(
            _HOLDS_OF, (_encode(wanted).decode(),)
        ).fetchall():
            # Read before it is taken away, for the count of what runs is read from the holds.
            self._level(name)
            ended[call_id][name] = (second, tokens)
            self._ended.append(call_id)
        for holds in ended.values():
            for name in holds:
                self._level(name).running -= 1
        return ended
