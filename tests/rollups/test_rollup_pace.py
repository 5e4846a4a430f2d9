"""When rollups advance: in quiet moments, and between busy commits only if too much waits."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_cases import FixedClock, lost_as_unknown, make_call, make_intent
from polling import wait_until

from modelmeter.ledger import LedgerWriter, rollup_pace
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.rollup import rollup_lag
from modelmeter.ledger.rollup_pace import RollupPace
from modelmeter.ledger.schema import migrate

ENTRIES = 10
USUAL_SECONDS = 1.0
INSERT = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
  provider, operation, model, streamed, status, duration_ns, tokens_input, tokens_cache_read,
  tokens_cache_write_5m, tokens_cache_write_1h, tokens_output, tokens_reasoning,
  tokens_audio_input, tokens_audio_output, tokens_image_input, tokens_image_output,
  cost_pico_usd, cost_state, cached, cost_saved_pico_usd)
SELECT value, value, 0, value * 1000000000, '', '', '', '', '', '', '', 0, 'success', 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'priced', 0, 0 FROM json_each(?)
"""


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A ledger with a few entries, looked at at every turn."""
    monkeypatch.setattr(rollup_pace, "ROLLUP_SECONDS", 0.0)
    monkeypatch.setattr(rollup_pace, "STEP_ENTRIES_MAX", 4)
    opened = sqlite3.connect(":memory:", isolation_level=None)
    migrate(opened)
    opened.execute(INSERT, (str(list(range(ENTRIES))),))
    yield opened
    opened.close()


def test_a_quiet_ledger_is_rolled_up_step_by_step(connection: sqlite3.Connection) -> None:
    pace = RollupPace(connection)
    lags = []
    for _ in range(4):
        pace.take_turn(is_quiet=True)
        lags.append(rollup_lag(connection))

    assert lags == [6, 2, 0, 0]


def test_a_busy_ledger_waits_for_a_quiet_moment(connection: sqlite3.Connection) -> None:
    pace = RollupPace(connection)
    assert pace.wait_seconds(USUAL_SECONDS) == USUAL_SECONDS
    pace.take_turn(is_quiet=False)
    assert rollup_lag(connection) == ENTRIES
    assert 0 < pace.wait_seconds(USUAL_SECONDS) < USUAL_SECONDS


def test_what_waits_too_long_is_rolled_up_between_busy_commits(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_pace, "LAG_MAX", ENTRIES)
    pace = RollupPace(connection)
    lags = []
    for _ in range(4):
        pace.take_turn(is_quiet=False)
        lags.append(rollup_lag(connection))

    # What is left is less than a step; it waits for a quiet moment again.
    assert lags == [6, 2, 2, 2]
    assert pace.wait_seconds(USUAL_SECONDS) > 0


def test_a_ledger_that_cannot_be_written_is_tried_again(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = RollupPace(connection)
    connection.execute("PRAGMA query_only = ON")
    pace.take_turn(is_quiet=True)
    assert pace.wait_seconds(USUAL_SECONDS) == USUAL_SECONDS
    connection.execute("PRAGMA query_only = OFF")
    pace.take_turn(is_quiet=True)

    assert rollup_lag(connection) == ENTRIES - 4


def test_a_writer_rolls_up_what_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_pace, "ROLLUP_SECONDS", 0.0)
    path = tmp_path / "ledger.db"
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    reader = connect_reader(path)
    try:
        for _ in range(ENTRIES):
            writer.submit(make_call(make_intent()))
        wait_until(
            lambda: (
                reader.execute("SELECT count(*) FROM entry").fetchone() == (ENTRIES,)
                and rollup_lag(reader) == 0
            )
        )
    finally:
        reader.close()
        writer.close()
