"""What the ledger's entries add up to for a budget: the truth that its windows must equal."""

import sqlite3
from collections.abc import Iterator

import msgspec

from modelmeter.budgets.budget import Budget, Unit, Who
from modelmeter.budgets.windows import slice_of
from modelmeter.record import PICO_PER_USD

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Place",
    "newest_place",
    "settled_by",
    "settled_in",
    "settled_slices",
    "slices_behind",
]

_NS_MAX = 2**63 - 1

_TOKENS = (
    "tokens_input + tokens_cache_read + tokens_cache_write_5m + tokens_cache_write_1h"
    " + tokens_output + tokens_reasoning + tokens_audio_input + tokens_audio_output"
    " + tokens_image_input + tokens_image_output"
)
_WHO = "tenant_id, team, agent_id, key_id, provider, model"
# In two parts, for SQLite's integers end at 9.2 million USD in pico-dollars.
_ENTRIES = f"""
SELECT {_WHO},
    sum(cost_pico_usd / 1000000000000),
    sum(cost_pico_usd % 1000000000000),
    sum(CASE WHEN cached THEN 0 ELSE {_TOKENS} END),
    sum(NOT cached AND status <> 'blocked')
FROM entry {{how}}
WHERE started_at_ns >= :start AND started_at_ns < :end
  AND seq > :after_entry AND seq <= :upto_entry
GROUP BY {_WHO}
"""  # noqa: S608 - column names from the constants above
_ENTRIES_BY_TIME = _ENTRIES.format(how="INDEXED BY entry_started_at")
_ENTRIES_BY_PLACE = _ENTRIES.format(how="NOT INDEXED")
_CORRECTIONS = f"""
SELECT {_WHO},
    sum(cost_delta_pico_usd / 1000000000000),
    sum(cost_delta_pico_usd % 1000000000000)
FROM correction AS c {{how}} JOIN entry ON entry.seq = entry_seq
WHERE c.started_at_ns >= :start AND c.started_at_ns < :end
  AND c.seq > :after_correction AND c.seq <= :upto_correction
GROUP BY {_WHO}
"""  # noqa: S608 - column names from the constants above
_CORRECTIONS_BY_TIME = _CORRECTIONS.format(how="INDEXED BY correction_started_at")
_CORRECTIONS_BY_PLACE = _CORRECTIONS.format(how="NOT INDEXED")
_FIRST_FROM = "SELECT min(started_at_ns) FROM entry WHERE started_at_ns >= ? AND started_at_ns < ?"
_NEWEST = """
SELECT (SELECT coalesce(max(seq), 0) FROM entry), (SELECT coalesce(max(seq), 0) FROM correction)
"""
_BEGUN_BEHIND = """
SELECT started_at_ns FROM entry WHERE seq > :entry AND started_at_ns >= :start
UNION SELECT started_at_ns FROM correction WHERE seq > :correction AND started_at_ns >= :start
"""


class Place(msgspec.Struct, frozen=True):
    """How far the ledger has been read: the last entry, and the last correction of one."""

    entry: int
    correction: int


NOTHING = Place(0, 0)
EVERYTHING = Place(2**63 - 1, 2**63 - 1)


def settled_in(
    connection: sqlite3.Connection,
    budget: Budget,
    start_ns: int,
    end_ns: int,
    *,
    after: Place = NOTHING,
    upto: Place = EVERYTHING,
) -> int:
    """
    The sum of the entries that count and began in a span, in 1e-12 of the budget's unit.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    found = settled_by(connection, budget, start_ns, end_ns, after=after, upto=upto)
    return sum(amount for _, amount in found)


def settled_by(
    connection: sqlite3.Connection,
    budget: Budget,
    start_ns: int,
    end_ns: int,
    *,
    after: Place = NOTHING,
    upto: Place = EVERYTHING,
) -> Iterator[tuple[Who, int]]:
    """
    What `settled_in` sums, by who called.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    span = {
        "start": start_ns,
        "end": min(end_ns, _NS_MAX),
        "after_entry": after.entry,
        "upto_entry": upto.entry,
        "after_correction": after.correction,
        "upto_correction": upto.correction,
    }
    statement = _ENTRIES_BY_PLACE if after.entry else _ENTRIES_BY_TIME
    for *names, usd, pico, tokens, calls in connection.execute(statement, span):
        if budget.scope.matches(who := _who(names)):
            if budget.unit is Unit.USD:
                yield who, usd * PICO_PER_USD + pico
            else:
                yield who, (tokens if budget.unit is Unit.TOKENS else calls) * PICO_PER_USD
    if budget.unit is not Unit.USD:
        return
    statement = _CORRECTIONS_BY_PLACE if after.correction else _CORRECTIONS_BY_TIME
    for *names, usd, pico in connection.execute(statement, span):
        if budget.scope.matches(who := _who(names)):
            yield who, usd * PICO_PER_USD + pico


def settled_slices(
    connection: sqlite3.Connection,
    budget: Budget,
    from_ns: int,
    before_ns: int = _NS_MAX,
    *,
    upto: Place = EVERYTHING,
) -> dict[int, int]:
    """
    The sums of all slices from a moment to before another, by their start.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    sums: dict[int, int] = {}
    while from_ns < before_ns:
        ((first,),) = connection.execute(_FIRST_FROM, (from_ns, before_ns)).fetchall()
        if first is None:
            break
        found = slice_of(budget.window, first)
        end = min(max(found.end_ns, first + 1), before_ns)
        amount = settled_in(connection, budget, first, end, upto=upto)
        sums[found.start_ns] = sums.get(found.start_ns, 0) + amount
        from_ns = end
    return sums


def slices_behind(
    connection: sqlite3.Connection, budget: Budget, from_ns: int, after: Place
) -> dict[int, int]:
    """
    The sums of the few entries and corrections behind a place, from a moment on, by slice.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    place = {"entry": after.entry, "correction": after.correction, "start": from_ns}
    begun = [at_ns for (at_ns,) in connection.execute(_BEGUN_BEHIND, place)]
    return {
        found.start_ns: settled_in(connection, budget, found.start_ns, found.end_ns, after=after)
        for found in {slice_of(budget.window, at_ns) for at_ns in begun}
    }


def newest_place(connection: sqlite3.Connection) -> Place:
    """
    How far the ledger reaches.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((entry, correction),) = connection.execute(_NEWEST).fetchall()
    return Place(entry, correction)


def _who(names: list[str]) -> Who:
    tenant, team, agent, key, provider, model = names
    return tenant, team, agent, key, provider, model
