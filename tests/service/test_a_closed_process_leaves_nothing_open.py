"""What a program closes, it gets back at once: no socket and no selector stays open."""

from pathlib import Path

import pytest
from fresh_process import fresh_process
from open_descriptors import open_sockets

from modelmeter.in_process import close_in_process, get_cost_tracker, get_llm_metrics

_FIXTURES = (fresh_process,)


def test_a_closed_process_has_no_more_sockets_than_before(
    fresh_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opening and closing left an event loop behind: its selector and two sockets."""
    monkeypatch.setenv("MODELMETER_LEDGER", str(tmp_path / "ledger.db"))
    before = open_sockets()

    get_llm_metrics().get_metrics()
    get_cost_tracker()
    while_open = open_sockets()
    close_in_process()

    assert while_open - before
    assert open_sockets() - before == set()
