"""What a process tree costs: resident memory and processor time, read from /proc."""

import os
import time
from pathlib import Path

__all__ = ["cpu_seconds", "resident_bytes", "wait_until_quiet"]

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

QUIET_SHARE = 0.1
"""A tree that takes less of one core than this has finished its leftovers."""

QUIET_WINDOW_SECONDS = 0.3
"""How long it is watched for that."""

QUIET_SECONDS_MAX = 30.0
"""Longest wait for it."""

PARENT, USER_TICKS, SYSTEM_TICKS, RESIDENT_PAGES = 1, 11, 12, 21
"""Places in /proc/PID/stat, counted after the command name; see proc(5)."""


def resident_bytes(root: int) -> int:
    """Resident memory of a process and its descendants, in bytes; shared pages count in each."""
    return sum(stat[RESIDENT_PAGES] for stat in _tree(root)) * PAGE_BYTES


def cpu_seconds(root: int) -> float:
    """Processor time that the living processes of a tree have used so far, in seconds."""
    ticks = sum(stat[USER_TICKS] + stat[SYSTEM_TICKS] for stat in _tree(root))
    return ticks / TICKS_PER_SECOND


def wait_until_quiet(root: int) -> bool:
    """Wait for a tree to finish what the load left in flight; False if it never does."""
    deadline = time.monotonic() + QUIET_SECONDS_MAX
    while time.monotonic() < deadline:
        before = cpu_seconds(root)
        time.sleep(QUIET_WINDOW_SECONDS)
        if cpu_seconds(root) - before <= QUIET_SHARE * QUIET_WINDOW_SECONDS:
            return True
    return False


def _tree(root: int) -> list[list[int]]:
    """The numbers of /proc/PID/stat of each process of the tree."""
    stats = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(entry)):
            stats[int(entry.name)] = stat
    found, frontier = [], {root}
    while frontier:
        found += [stats[pid] for pid in frontier if pid in stats]
        frontier = {pid for pid, stat in stats.items() if stat[PARENT] in frontier}
    return found


def _stat(process: Path) -> list[int]:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []  # it ended while we looked
    return [0, *(int(field) for field in fields[1:22])]
