"""One transaction of the ledger: intents, outcomes, and what they add to the series."""

import sqlite3
from collections.abc import Sequence

import msgspec

from modelmeter.errors import LedgerConflictError
from modelmeter.ledger.cache_table import CacheStatus, put_usage
from modelmeter.ledger.reservations import Ends, Opening, Refused, Reservations
from modelmeter.ledger.schema import SCHEMA_VERSION
from modelmeter.ledger.series import DEPLOYMENT, SeriesTally
from modelmeter.record import NO_TOOLS, Call, Intent

__all__ = [
    "Batch",
    "Counted",
    "Entered",
    "Noted",
    "Relayed",
    "SeriesShown",
    "Settlement",
    "Told",
    "Withdrawal",
    "add_deployment",
    "commit",
    "unsettled_ids",
]

# Each statement takes a whole batch as one JSON text: SQLite walks it without Python's
# interpreter lock, so a commit of many calls costs the running calls no more than one of few.
# A lone intent, which someone waits for, takes the plain way: it is half as long.
_INSERT_OPEN = """
INSERT INTO open_call (id, owner, agent_id, provider, intent)
SELECT value ->> 0, ?, value ->> 1, value ->> 2, value -> 3 FROM json_each(?)
"""
_INSERT_ONE_OPEN = """
INSERT INTO open_call (id, owner, agent_id, provider, intent) VALUES (?, ?, ?, ?, ?)
"""
_DELETE_OPEN = "DELETE FROM open_call WHERE id IN (SELECT value FROM json_each(?))"
_SELECT_OPEN = "SELECT id FROM open_call WHERE id IN (SELECT value FROM json_each(?))"
_ENTRY_COLUMNS = (
    "id", "request_id", "attempt", "started_at_ns", "tenant_id", "team", "agent_id", "key_id",
    "provider", "operation", "model", "streamed", "status", "error_type", "http_status",
    "provider_request_id", "duration_ns", "time_to_first_token_ns", "model_answered",
    "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h",
    "tokens_output", "tokens_reasoning", "tokens_audio_input", "tokens_audio_output",
    "tokens_image_input", "tokens_image_output", "cost_pico_usd", "cost_state", "priced_model",
    "price_source", "cached", "cost_saved_pico_usd", "note", "model_requested", "overrun",
    "cache_miss", "rate_card", "tool_calls", "usage_estimated",
)  # fmt: skip
_INSERT_ENTRY = f"""
INSERT INTO entry ({", ".join(_ENTRY_COLUMNS)})
VALUES ({", ".join("?" * len(_ENTRY_COLUMNS))})
"""  # noqa: S608 - column names from the constant above
_INSERT_CARD = "INSERT OR IGNORE INTO rate_card (id, text) VALUES (?, ?)"
_ADD_SERIES = """
INSERT INTO series (kind, labels, whole, pico, born_at_ns)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ? FROM json_each(?) WHERE true
ON CONFLICT (kind, labels) DO UPDATE SET
    whole = whole + excluded.whole + (pico + excluded.pico) / 1000000000000,
    pico = (pico + excluded.pico) % 1000000000000
WHERE excluded.whole OR excluded.pico
"""
_SHOW_SERIES = "UPDATE series_shown SET born_until_ns = ? WHERE born_until_ns < ?"
_ADD_DEPLOYMENT = """
INSERT INTO series (kind, labels, whole, pico, born_at_ns) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, labels) DO NOTHING
"""
# Writes the file's first page: shows that the ledger can be written, changes nothing.
_PROBE = f"PRAGMA user_version = {SCHEMA_VERSION}"

_PICO_PER_NS = 1000
_NS_PER_SECOND = 1_000_000_000

_encode = msgspec.json.Encoder().encode


class Settlement(msgspec.Struct, frozen=True):
    """The outcome of an open call."""

    call: Call
    overhead_ns: int | None = None
    """The delay the gateway put in front of the upstream, if it was a gateway's call."""


class Withdrawal(msgspec.Struct, frozen=True):
    """An intent whose caller waited for it no longer: the call was not made."""

    id: str


class Relayed(msgspec.Struct, frozen=True):
    """A request that was passed on without being metered."""

    provider: str
    status_class: str


class SeriesShown(msgspec.Struct, frozen=True):
    """Series born until then are shown with their values from now on."""

    born_until_ns: int


class Counted(msgspec.Struct, frozen=True):
    """A call for the series alone: its program enters it by other means."""

    call: Call
    has_duration: bool = True
    """The program could tell how long it took."""


class Entered(msgspec.Struct, frozen=True):
    """A call for the entries alone: its program counts it by other means."""

    call: Call


class Noted(msgspec.Struct, frozen=True):
    """One event for a series of its own: an error, or a hit or miss of a program's own cache."""

    kind: str
    """Of the series: errors, cache hits or cache misses."""
    agent_id: str
    model: str
    provider: str = ""
    error_type: str = ""


Told = Counted | Entered | Noted
"""What a program says that meters its calls itself, piece by piece."""


class Batch(msgspec.Struct):
    """What goes into one transaction."""

    openings: list[Intent] = []
    bounded: list[Opening] = []
    """Openings that budgets may hold for, or refuse."""
    settlements: list[Settlement] = []
    withdrawals: list[str] = []
    records: list[Call] = []
    """Entries that never were open: refused calls, imported history."""
    relayed: list[Relayed] = []
    cache: list[CacheStatus] = []
    told: list[Told] = []
    shown: list[SeriesShown] = []
    probe: bool = False


def commit(
    connection: sqlite3.Connection,
    batch: Batch,
    *,
    owner: str,
    tally: SeriesTally,
    now_ns: int,
    reservations: Reservations | None = None,
    has_begun: bool = False,
) -> list[Refused]:
    """
    Write a batch, all or nothing, and sync it to the disk; the openings that were refused in it.

    If its transaction ``has_begun``, what was read in that still holds.

    Raises:
        LedgerConflictError: a settlement's call is not open; nothing was written.
        sqlite3.Error: the file cannot be written now; nothing was written.
    """
    if not has_begun:
        connection.execute("BEGIN IMMEDIATE")
    try:
        turn = None
        refused: list[Refused] = []
        if reservations is not None and reservations.wakes(connection):
            turn = reservations.turn(connection, owner=owner, now_ns=now_ns)
            refused = turn.take(batch.bounded, _ends(batch))
        # First what ends, for that may make room for what begins.
        if batch.settlements:
            _close(connection, batch.settlements)
        if batch.openings or batch.bounded:
            accepted = _accepted(batch, refused)
            for intent in accepted:
                tally.name_agent(intent.caller.agent_id)
            _open(connection, accepted, owner)
        if batch.withdrawals:
            connection.execute(_DELETE_OPEN, (_text(batch.withdrawals),))
        entries = [call for one in refused if (call := one.entry) is not None]
        _add_entries(connection, batch, entries, tally)
        if turn is not None:
            turn.write(tally)
        if series := tally.take_rows():
            connection.execute(_ADD_SERIES, (now_ns, _text(series)))
        _keep_notes(connection, batch, owner)
        connection.execute("COMMIT")
        tally.cards.committed()
    except BaseException:
        tally.discard()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if turn is not None:
        turn.committed()
    return refused


def unsettled_ids(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` that are open calls."""
    return {row[0] for row in connection.execute(_SELECT_OPEN, (_text(ids),))}


def add_deployment(connection: sqlite3.Connection, version: str, now_ns: int) -> None:
    """Keep the first start of a version; later starts of it change nothing."""
    whole, rest = divmod(now_ns, _NS_PER_SECOND)
    row = (DEPLOYMENT, _text([version]), whole, rest * _PICO_PER_NS, now_ns)
    connection.execute(_ADD_DEPLOYMENT, row)


def add_to_series(
    connection: sqlite3.Connection, kind: str, labels: Sequence[str], now_ns: int
) -> None:
    """Count one more in a series, inside a transaction that writes something else."""
    connection.execute(_ADD_SERIES, (now_ns, _text([(kind, _text(labels), 1, 0)])))


def _ends(batch: Batch) -> Ends:
    entered = [told.call for told in batch.told if isinstance(told, Entered)]
    return Ends(
        settled=[settlement.call for settlement in batch.settlements],
        recorded=batch.records + entered,
        withdrawn=batch.withdrawals,
    )


def _accepted(batch: Batch, refused: list[Refused]) -> list[Intent]:
    if not batch.bounded:
        return batch.openings
    ids = {one.intent.id for one in refused}
    bounded = [opening.intent for opening in batch.bounded if opening.intent.id not in ids]
    return batch.openings + bounded


def _open(connection: sqlite3.Connection, openings: list[Intent], owner: str) -> None:
    if len(openings) == 1:
        (intent,) = openings
        row = (intent.id, owner, intent.caller.agent_id, intent.provider, _text(intent))
        connection.execute(_INSERT_ONE_OPEN, row)
        return
    rows = [(intent.id, intent.caller.agent_id, intent.provider, intent) for intent in openings]
    connection.execute(_INSERT_OPEN, (owner, _text(rows)))


def _close(connection: sqlite3.Connection, settlements: list[Settlement]) -> None:
    ids = [settlement.call.intent.id for settlement in settlements]
    if connection.execute(_DELETE_OPEN, (_text(ids),)).rowcount != len(ids):
        raise LedgerConflictError("a call was settled twice; its first outcome stands")


def _add_entries(
    connection: sqlite3.Connection, batch: Batch, refused: list[Call], tally: SeriesTally
) -> None:
    rows = []
    for settlement in batch.settlements:
        rows.append(_entry_row(settlement.call))
        tally.add_call(settlement.call)
        if settlement.overhead_ns is not None:
            tally.add_overhead(settlement.overhead_ns)
    for calls in (batch.records, refused):
        for call in calls:
            rows.append(_entry_row(call))
            tally.add_call(call)
    for relayed in batch.relayed:
        tally.add_relayed(relayed.provider, relayed.status_class)
    for status in batch.cache:
        for tenant_id, count in status.evictions.items():
            tally.add_evictions(tenant_id, count)
    for told in batch.told:
        if isinstance(told, Entered):
            rows.append(_entry_row(told.call))
            tally.add_entered(told.call)
        elif isinstance(told, Counted):
            tally.add_counted(told.call, has_duration=told.has_duration)
        else:
            tally.add_noted(told.kind, told.agent_id, told.model, told.provider, told.error_type)
    if rows:
        connection.executemany(_INSERT_CARD, tally.cards.rows())
        connection.executemany(_INSERT_ENTRY, rows)


def _keep_notes(connection: sqlite3.Connection, batch: Batch, owner: str) -> None:
    if batch.cache:
        put_usage(connection, batch.cache[-1], owner)
    for shown in batch.shown:
        connection.execute(_SHOW_SERIES, (shown.born_until_ns, shown.born_until_ns))
    if batch.probe:
        connection.execute(_PROBE)


def _entry_row(call: Call) -> tuple[object, ...]:
    intent = call.intent
    caller = intent.caller
    tokens = call.tokens
    return (
        intent.id, intent.request_id, intent.attempt, intent.started_at_ns, caller.tenant_id,
        caller.team, caller.agent_id, caller.key_id, intent.provider, intent.operation,
        intent.model, int(intent.streamed), call.status, call.error_type, call.http_status,
        call.provider_request_id, call.duration_ns, call.time_to_first_token_ns,
        call.model_answered, tokens.input, tokens.cache_read, tokens.cache_write_5m,
        tokens.cache_write_1h, tokens.output, tokens.reasoning, tokens.audio_input,
        tokens.audio_output, tokens.image_input, tokens.image_output, call.cost, call.cost_state,
        call.priced_model, call.price_source, int(call.cached), call.cost_saved, call.note,
        intent.model_requested, int(call.overrun), intent.cache_miss,
        None if call.card is None else call.card.id,
        None if call.tools is NO_TOOLS or call.tools == NO_TOOLS else _text(call.tools),
        int(call.usage_estimated),
    )  # fmt: skip


def _text(rows: object) -> str:
    return _encode(rows).decode()
