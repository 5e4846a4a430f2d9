"""The simulator as a process of its own."""

import signal
import subprocess
import sys

from simulator_client import Client

COMMAND = (sys.executable, "-m", "modelmeter.simulator")


def test_process_prints_its_url_serves_and_ends_cleanly() -> None:
    process = subprocess.Popen(
        (*COMMAND, "--port", "0", "--seed", "7", "--speed", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        reply = Client(url).chat("output=2")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=10)

    assert word == "simulator"
    assert reply.status == 200
    assert (process.returncode, rest, errors) == (0, "", "")


def test_process_refuses_what_it_cannot_do() -> None:
    for arguments in (("--speed", "-1"), ("--failure-rate", "2"), ("--colour", "red")):
        done = subprocess.run((*COMMAND, *arguments), capture_output=True, timeout=20, check=False)
        assert done.returncode == 2
        assert b"error" in done.stderr
