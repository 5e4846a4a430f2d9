"""What this process has open, as its operating system sees it."""

from pathlib import Path

__all__ = ["open_sockets"]


def open_sockets() -> set[str]:
    """The descriptors of this process that are sockets or selectors, and what they lead to."""
    found: set[str] = set()
    for one in Path("/proc/self/fd").iterdir():
        try:
            leads_to = str(one.readlink())
        except FileNotFoundError:
            # The one by which the folder itself was read.
            continue
        if leads_to.startswith(("socket:", "anon_inode:[eventpoll]")):
            found.add(f"{one.name} {leads_to}")
    return found
