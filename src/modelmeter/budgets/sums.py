"""What the ledger's entries add up to for a budget: the truth that its windows must equal."""

import sqlite3
from collections.abc import Iterator

from modelmeter.budgets.budget import Budget, Unit, Who
from modelmeter.budgets.windows import slice_of
from modelmeter.record import PICO_PER_USD

__all__ = ["SEQ_MAX", "newest_entry", "settled_by", "settled_in", "settled_slices", "slices_behind"]

SEQ_MAX = 2**63 - 1
_NS_MAX = 2**63 - 1

_TOKENS = (
    "tokens_input + tokens_cache_read + tokens_cache_write_5m + tokens_cache_write_1h"
    " + tokens_output + tokens_reasoning + tokens_audio_input + tokens_audio_output"
    " + tokens_image_input + tokens_image_output"
)
# In two parts, for SQLite's integers end at 9.2 million USD in pico-dollars.
_SELECT = f"""
SELECT tenant_id, team, agent_id, key_id, provider, model,
    sum(cost_pico_usd / 1000000000000),
    sum(cost_pico_usd % 1000000000000),
    sum(CASE WHEN cached THEN 0 ELSE {_TOKENS} END),
    sum(NOT cached AND status <> 'blocked')
FROM entry INDEXED BY {{index}}
WHERE started_at_ns >= :start AND started_at_ns < :end AND seq > :after AND seq <= :upto
GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - column names from the constant above
_BY_TIME = _SELECT.format(index="entry_started_at")
_BY_PLACE = _SELECT.replace(" INDEXED BY {index}", " NOT INDEXED")
_FIRST_FROM = "SELECT min(started_at_ns) FROM entry WHERE started_at_ns >= ? AND started_at_ns < ?"
_NEWEST = "SELECT coalesce(max(seq), 0) FROM entry"
_BEGUN_BEHIND = "SELECT DISTINCT started_at_ns FROM entry WHERE seq > ? AND started_at_ns >= ?"


def settled_in(
    connection: sqlite3.Connection,
    budget: Budget,
    start_ns: int,
    end_ns: int,
    *,
    after_seq: int = 0,
    upto_seq: int = SEQ_MAX,
) -> int:
    """
    The sum of the entries that count and began in a span, in 1e-12 of the budget's unit.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    found = settled_by(connection, budget, start_ns, end_ns, after_seq=after_seq, upto_seq=upto_seq)
    return sum(amount for _, amount in found)


def settled_by(
    connection: sqlite3.Connection,
    budget: Budget,
    start_ns: int,
    end_ns: int,
    *,
    after_seq: int = 0,
    upto_seq: int = SEQ_MAX,
) -> Iterator[tuple[Who, int]]:
    """
    What `settled_in` sums, by who called.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    statement = _BY_PLACE if after_seq else _BY_TIME
    span = {"start": start_ns, "end": min(end_ns, _NS_MAX), "after": after_seq, "upto": upto_seq}
    for *names, usd, pico, tokens, calls in connection.execute(statement, span):
        tenant, team, agent, key, provider, model = names
        who = (tenant, team, agent, key, provider, model)
        if not budget.scope.matches(who):
            continue
        if budget.unit is Unit.USD:
            yield who, usd * PICO_PER_USD + pico
        else:
            yield who, (tokens if budget.unit is Unit.TOKENS else calls) * PICO_PER_USD


def settled_slices(
    connection: sqlite3.Connection,
    budget: Budget,
    from_ns: int,
    before_ns: int = _NS_MAX,
    *,
    upto_seq: int = SEQ_MAX,
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
        amount = settled_in(connection, budget, first, end, upto_seq=upto_seq)
        sums[found.start_ns] = sums.get(found.start_ns, 0) + amount
        from_ns = end
    return sums


def slices_behind(
    connection: sqlite3.Connection, budget: Budget, from_ns: int, after_seq: int
) -> dict[int, int]:
    """
    The sums of the few entries behind a place that began from a moment on, by slice.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    begun = [at_ns for (at_ns,) in connection.execute(_BEGUN_BEHIND, (after_seq, from_ns))]
    return {
        found.start_ns: settled_in(
            connection, budget, found.start_ns, found.end_ns, after_seq=after_seq
        )
        for found in {slice_of(budget.window, at_ns) for at_ns in begun}
    }


def newest_entry(connection: sqlite3.Connection) -> int:
    """
    The place of the last entry.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    ((newest,),) = connection.execute(_NEWEST).fetchall()
    return int(newest)
