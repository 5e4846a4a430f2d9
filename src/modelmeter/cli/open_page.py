"""Opens an address in the user's browser, where there is a desktop to open it on."""

import os
import subprocess
import sys
import webbrowser

__all__ = ["open_page"]

_DESKTOP_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY")
_TIMEOUT_SECONDS = 5.0


def open_page(url: str) -> bool:
    """Open ``url`` in a browser; False where there is no desktop, or no browser would."""
    if sys.platform != "linux":
        return webbrowser.open(url)
    if not any(os.environ.get(variable) for variable in _DESKTOP_VARIABLES):
        return False
    try:
        # Not by `webbrowser`: what a browser says would land in the middle of the live view.
        done = subprocess.run(  # noqa: S603 - the address is the program's own
            ["xdg-open", url],  # noqa: S607 - the desktop's opener, wherever it is
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
