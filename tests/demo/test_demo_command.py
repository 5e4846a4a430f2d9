"""``modelmeter demo``: it starts, shows, ends by itself or on Ctrl-C, and leaves a sound ledger."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from ledger_file import check_ledger, query

WIDTH = 80
SECONDS_MAX = 60.0
CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")
TITLE = re.compile(r"^LLM usage, \d\d:\d\d:\d\d to \d\d:\d\d:\d\d UTC", re.MULTILINE)
CTRL_C = b"\x03"


def command(ledger: Path, *options: str) -> list[str]:
    """The demo on a free port."""
    start = [sys.executable, "-m", "modelmeter", "demo", "--port", "0", "--ledger", str(ledger)]
    return [*start, *options]


class Terminal:
    """A program at a terminal of 80 columns and 24 rows."""

    def __init__(self, arguments: list[str]) -> None:
        self._own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(other)
        self.text = ""

    def press(self, key: bytes) -> None:
        """Type a key."""
        os.write(self._own, key)

    def read_until(self, pattern: str) -> None:
        """Read until the text holds a pattern."""
        deadline = time.monotonic() + SECONDS_MAX
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            assert self._read(), self.text

    def read_to_end(self) -> int:
        """Read until the program ends; its exit status."""
        while self._read():
            pass
        return self.process.wait(SECONDS_MAX)

    def close(self) -> None:
        """End the program if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self._own)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._own], [], [], SECONDS_MAX)
        if not ready:
            return False
        try:
            chunk = os.read(self._own, 65536)
        except OSError:
            return False
        self.text += chunk.decode(errors="replace")
        return bool(chunk)


def test_it_ends_by_itself_with_a_report_of_what_the_ledger_holds(tmp_path: Path) -> None:
    ledger = tmp_path / "demo.db"

    done = subprocess.run(
        command(ledger, "--seconds", "3", "--history", "2d"),
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )

    assert (done.returncode, done.stderr) == (0, "")
    told = re.findall(r"^2 days of history: (\d+) %$", done.stdout, re.MULTILINE)
    assert told[0] == "0"
    assert len(told) > 2
    assert TITLE.search(done.stdout)
    for team in ("meetmind", "supportbot"):
        assert team in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if str(ledger) not in line) <= WIDTH
    ((past, present),) = query(
        ledger,
        "SELECT sum(provider_request_id IS NULL AND duration_ns > 0 AND http_status = 200),"
        " sum(provider_request_id IS NOT NULL) FROM entry",
    )
    assert isinstance(past, int)
    assert isinstance(present, int)
    assert past > 1000
    assert present > 5
    # Counters begin with the past in them: it is no increase of the demo's first minute.
    assert query(
        ledger,
        "SELECT count(*) > 10 FROM series, series_shown"
        " WHERE kind = 'requests' AND born_at_ns <= born_until_ns",
    ) == [(1,)]
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(ledger)


@pytest.mark.parametrize(
    ("options", "sign"),
    [((), r"[1-9]\d* calls, \$0"), (("--history", "365d"), "days of history")],
)
def test_ctrl_c_ends_it_cleanly(tmp_path: Path, options: tuple[str, ...], sign: str) -> None:
    ledger = tmp_path / "demo.db"
    terminal = Terminal(command(ledger, *options))
    try:
        terminal.read_until(sign)
        terminal.press(CTRL_C)
        assert terminal.read_to_end() == 0
    finally:
        terminal.close()

    plain = CONTROL.sub("", terminal.text)
    assert "Traceback" not in plain
    assert bool(TITLE.search(plain)) == (not options)
    lines = [line for line in re.split(r"[\r\n]", plain) if str(ledger) not in line]
    assert max(len(line) for line in lines) <= WIDTH
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(ledger)


@pytest.mark.parametrize(("options", "page"), [((), "/?range=15m"), (("--no-open",), None)])
def test_it_opens_the_page_on_a_desktop(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    page: str | None,
) -> None:
    opened = tmp_path / "opened"
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":0")

    terminal = Terminal(command(tmp_path / "demo.db", *options))
    try:
        terminal.read_until(r"[1-9]\d* calls, \$0")
        terminal.press(CTRL_C)
        assert terminal.read_to_end() == 0
    finally:
        terminal.close()

    if page is None:
        assert not opened.exists()
    else:
        (url,) = re.findall(r"Page +(http://127\.0\.0\.1:\d+)", CONTROL.sub("", terminal.text))
        assert opened.read_text() == url + page


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    first = Terminal(command(tmp_path / "first.db"))
    try:
        first.read_until(r"http://127.0.0.1:\d+\s")
        port = re.findall(r"http://127.0.0.1:(\d+)", first.text)[0]
        second = subprocess.run(
            [*command(tmp_path / "second.db"), "--port", port],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
        first.press(CTRL_C)
        assert first.read_to_end() == 0
    finally:
        first.close()

    assert second.returncode == 2
    assert second.stderr.startswith(f"modelmeter: cannot listen on 127.0.0.1:{port}")
    assert len(second.stderr.splitlines()) == 1
