"""The machine a result was measured on, without its name or its paths."""

import os
import platform
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import BenchError

__all__ = ["describe"]

SYNC_WRITES = 50
"""Writes whose median is the time of one durable write."""

SYNC_WRITE_BYTES = 4096
MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})


def describe(folder: Path, node: str | None) -> list[tuple[str, str]]:
    """
    Each fact with its name; the file system and its speed are those of ``folder``.

    Raises:
        BenchError: the folder is in memory, where a durable write means nothing.
    """
    if (kind := _file_system(folder)) in MEMORY_FILE_SYSTEMS:
        raise BenchError(f"the ledger would lie on {kind}: run the benchmark on a disk")
    facts = [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d")),
        ("processor", f"{_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("memory", f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB"),
        ("kernel", f"{platform.system()} {platform.release().partition('-')[0]}"),
        (
            "file system of the ledger",
            (
                f"{kind}, {_sync_ms(folder):.2f} ms a "
                "durable write of 4 KiB (write + fdatasync, median)"
            ),
        ),
        ("Python", platform.python_version()),
    ]
    if node is not None:
        done = subprocess.run([node, "--version"], check=True, capture_output=True, text=True)
        facts.append(("Node.js", done.stdout.strip().removeprefix("v")))
    return facts


def _line(file: str, name: str) -> str:
    """The value of a ``name: value`` line."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _file_system(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    best, kind = "", "unknown"
    place = str(folder.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind = line.split()[:3]
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind


def _sync_ms(folder: Path) -> float:
    """The median time of appending a page to a file and waiting until the disk has it."""
    page = b"\0" * SYNC_WRITE_BYTES
    file = folder / "sync.probe"
    times = []
    with file.open("wb", buffering=0) as target:
        for _ in range(SYNC_WRITES):
            started = time.perf_counter()
            target.write(page)
            os.fdatasync(target.fileno())
            times.append(time.perf_counter() - started)
    file.unlink()
    return statistics.median(times) * 1e3
