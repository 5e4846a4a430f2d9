"""A process of its own for every test: nothing configured, nothing remembered."""

import os
from collections.abc import Iterator

import pytest

from modelmeter.in_process import close_in_process

__all__ = ["fresh_process"]


@pytest.fixture(name="fresh_process")
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that asks for it finds nothing made before, and leaves nothing."""
    for name in list(os.environ):
        if name.startswith("MODELMETER_"):
            monkeypatch.delenv(name)
    close_in_process()
    yield
    close_in_process()
