"""What a program closes, it gets back at once: no socket and no selector stays open."""

import gc
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


def test_a_closed_process_keeps_none_of_its_ledgers_files(
    fresh_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither open nor in memory, also before the collector comes."""
    monkeypatch.setenv("MODELMETER_LEDGER", str(tmp_path / "ledger.db"))
    gc.disable()
    try:
        get_llm_metrics().get_metrics()
        while_open = files_below(tmp_path)
        close_in_process()

        assert any(name.endswith("-budgets") for name in while_open)
        assert files_below(tmp_path) == set()
    finally:
        gc.enable()


def files_below(folder: Path) -> set[str]:
    """The files in a folder that this process has open or in its memory."""
    open_files = (str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.exists())
    mapped = (line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines())
    return {name for name in (*open_files, *mapped) if name.startswith(str(folder))}
