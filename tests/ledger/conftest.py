"""A ledger to write to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_cases import FixedClock, lost_as_unknown

from modelmeter.ledger import LedgerBounds, LedgerWriter

OpenWriter = Callable[..., LedgerWriter]


@pytest.fixture
def open_writer(tmp_path: Path) -> Iterator[OpenWriter]:
    """Open writers on one ledger; all are closed at the end."""
    writers: list[LedgerWriter] = []

    def open_one(bounds: LedgerBounds | None = None) -> LedgerWriter:
        writer = LedgerWriter(
            tmp_path / "ledger.db",
            clock=FixedClock(),
            lost_call=lost_as_unknown,
            bounds=bounds or LedgerBounds(),
        )
        writers.append(writer)
        return writer

    yield open_one
    for writer in writers:
        writer.close()
