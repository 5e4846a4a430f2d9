"""Programs the benchmark starts: each in a process group of its own, always ended, by its id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib import error, request

__all__ = [
    "BenchError",
    "clean_environment",
    "debian_command",
    "free_port",
    "running",
    "wait_until_ready",
]

READY_SECONDS_MAX = 120.0
"""Longest a gateway may take to answer its health check."""

STOP_SECONDS_MAX = 20.0
"""Longest a program may take to end by itself before it is killed."""

POLL_SECONDS = 0.1
"""Pause between two looks at a program that starts."""

LOG_TAIL_BYTES = 2_000
"""How much of a program's output an error shows."""


class BenchError(Exception):
    """The benchmark cannot go on; the text says why and what to do."""


def clean_environment(**extra: str) -> dict[str, str]:
    """
    This process's environment without what would slow a program down unseen.

    A proxy would send loopback calls elsewhere, and a Python that may not keep byte code compiles
    late imports again and again: with that, LiteLLM's proxy is half as fast.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, **extra}


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def debian_command(command: str, *packages: str) -> str:
    """
    The path of a command, installed by apt-get first where it is missing.

    Raises:
        BenchError: it is missing and this user may not install packages.
    """
    if found := shutil.which(command):
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BenchError(f"{command} is missing: install {' '.join(packages)} and try again")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for step in (["apt-get", "update", "-qq"], install):
        subprocess.run(step, check=True, stdout=subprocess.DEVNULL, env=_noninteractive())
    if found := shutil.which(command):
        return found
    raise BenchError(f"{command} is missing though {' '.join(packages)} is installed")


def _noninteractive() -> dict[str, str]:
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


@contextlib.contextmanager
def running(
    command: list[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for as long as the block lasts; its output goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else clean_environment(),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, wait, then kill what is left of it."""
    _signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS_MAX)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """
    Return once ``url`` answers 200.

    Raises:
        BenchError: the program ended, or did not answer within ``READY_SECONDS_MAX``.
    """
    opener = request.build_opener(request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{_name(process)} ended by itself: {log_tail(log)}")
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    raise BenchError(f"{_name(process)} does not answer: {log_tail(log)}")


def log_tail(log: Path) -> str:
    """The end of a program's output."""
    return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip() or "(no output)"


def _name(process: subprocess.Popen[bytes]) -> str:
    first = process.args[0] if isinstance(process.args, list) else process.args
    return Path(str(first)).name
