"""A ledger in memory tells of changed budgets too, and leaves nothing on the disk."""

from pathlib import Path

import pytest

from modelmeter.budgets.revision import RevisionFile
from modelmeter.ledger.memory import memory_ledger


def test_a_change_is_seen_by_all_who_look_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = memory_ledger()
    one, other = RevisionFile(ledger), RevisionFile(ledger)
    before = other.read()

    one.bump()

    assert other.read() != before
    assert list(tmp_path.iterdir()) == []
