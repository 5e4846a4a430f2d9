"""What holds for all tests: random examples without a time limit, and no word of the collector."""

import sys

from hypothesis import settings

# How fast a machine is says nothing of what is right.
settings.register_profile("modelmeter", deadline=None)
settings.load_profile("modelmeter")


def _untold(_: object) -> None:
    """What the collector finds unclosed would be told amid the output of whatever runs then."""


sys.unraisablehook = _untold
