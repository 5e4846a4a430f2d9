"""The command line as a whole: its version, its help, and faults told in one line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app

SECONDS_MAX = 60.0


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that something else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def fault(folder: Path, *arguments: str, **variables: str) -> str:
    """What a command that cannot be done says, in its only line."""
    done = subprocess.run(
        [sys.executable, "-m", "modelmeter", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=folder,
        env={**os.environ, **variables},
    )

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_gateway_that_others_reach_does_not_start_without_keys(tmp_path: Path) -> None:
    told = fault(tmp_path, "serve", "--listen", "0.0.0.0:0")

    assert told.startswith("modelmeter: --listen: '0.0.0.0:0' reaches beyond this machine")
    assert not list(tmp_path.iterdir())


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])

    assert (told.exit_code, told.stdout) == (0, f"modelmeter {version('modelmeter')}\n")


@pytest.mark.parametrize("group", [[], ["budget"], ["cache"], ["key"], ["prices"]])
def test_a_group_of_commands_alone_shows_its_help(group: list[str]) -> None:
    told = CliRunner().invoke(app, group)

    assert told.output == CliRunner().invoke(app, [*group, "--help"]).output
    assert "Commands:" in told.output


def test_an_unknown_log_level_is_told_with_those_there_are(tmp_path: Path) -> None:
    assert fault(tmp_path, "serve", "--log-level", "loud") == (
        "modelmeter: no such log level 'loud': give one of debug, info, warning, error, critical"
    )


def test_a_faulty_option_is_named_and_no_variable(tmp_path: Path) -> None:
    says = "give an address and a port, such as 127.0.0.1:4000"

    assert fault(tmp_path, "serve", "--listen", "junk", MODELMETER_LISTEN="127.0.0.1:0") == (
        f"modelmeter: --listen: {says}"
    )
    assert fault(tmp_path, "serve", MODELMETER_LISTEN="junk") == (
        f"modelmeter: MODELMETER_LISTEN: listen {says}"
    )


def test_a_taken_address_is_told_with_what_chooses_another(tmp_path: Path, taken: str) -> None:
    port = taken.rpartition(":")[2]
    cannot = f"modelmeter: cannot listen on {taken}: Address already in use; choose another"

    assert fault(tmp_path, "serve", "--listen", taken) == (
        f"{cannot} address with `listen` in the configuration or --listen"
    )
    assert fault(tmp_path, "serve", "--listen", "127.0.0.1:0", MODELMETER_HEALTH_LISTEN=taken) == (
        f"{cannot} address with `health_listen` in the configuration"
    )
    assert fault(tmp_path, "demo", "--port", port) == f"{cannot} port with --port"


def test_a_ledger_that_is_a_folder_is_told(tmp_path: Path) -> None:
    assert fault(tmp_path, "serve", "--listen", "127.0.0.1:0", "--ledger", str(tmp_path)) == (
        f"modelmeter: cannot open the ledger {tmp_path}: Is a directory"
    )
