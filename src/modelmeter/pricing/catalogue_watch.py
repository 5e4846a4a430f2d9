"""Takes a newer catalogue's file up while calls are priced, without a restart."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Self

from modelmeter.errors import CatalogueError
from modelmeter.pricing.book import PriceBook
from modelmeter.pricing.catalogue_file import mark_of, read_catalogue

__all__ = ["CATALOGUE_CHECK_SECONDS", "CatalogueWatch"]

logger = logging.getLogger(__name__)

CATALOGUE_CHECK_SECONDS = 2.0
"""Between two looks at the catalogue's file."""


class CatalogueWatch:
    """
    Looks at a file in the background, inside its context, and tells a price book of changes.

    A file that is broken or gone changes no price: the last good catalogue stays, and says so.
    Without a file there is nothing to do.
    """

    def __init__(self, book: PriceBook, path: Path | None) -> None:
        self._book = book
        self._path = path
        self._mark = book.catalogue.mark
        self._ends = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._watching = asyncio.create_task(self._run(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        if self._watching is not None:
            await self._watching

    async def _run(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        while not self._ends.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CATALOGUE_CHECK_SECONDS):
                    await self._ends.wait()
                    return
            try:
                # A file may lie where looking at it takes long.
                looking = loop.run_in_executor(None, self.check, path)
            except RuntimeError:
                # The program's main thread has ended: no other can be begun any more.
                return
            try:
                await looking
            except Exception:
                # Nothing that a file holds may end this: prices go on as they are, and say so.
                logger.exception("the price catalogue %s could not be read", path)
                self._book.keep(f"the price catalogue {path} could not be read")

    def check(self, path: Path) -> None:
        """Take the file up if it is another one than at the last look."""
        mark = mark_of(path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            catalogue = read_catalogue(path)
        except CatalogueError as error:
            self._book.keep(str(error))
            logger.warning("%s; prices stay those of %s", error, self._book.catalogue.source)
            return
        self._mark = catalogue.mark
        self._book.take(catalogue)
        logger.info("prices are those of %s from now on", catalogue.source)
