"""What the API's paths share: where they read, who asks, and in which form they answer."""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from modelmeter.pricing import PriceBook
from modelmeter.record import Clock
from modelmeter.web.access import VIEWER_KEY, Viewer
from modelmeter.web.answers import ErrorAnswer
from modelmeter.web.asking import Asked, Format, UsageQuery, as_affordable, asked
from modelmeter.web.live import Live
from modelmeter.web.reading import LedgerReading
from modelmeter.web.tables import as_csv

__all__ = ["AS_TABLE", "ERRORS", "ApiParts", "in_format", "viewer_of"]


Answer = TypeVar("Answer")

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "A parameter means nothing."),
        (401, "A key with the scope `read` is needed."),
        (403, "The key may not do this."),
        (404, "There is no such thing for this key."),
        (421, "Without keys, only this machine's own names are answered."),
        (429, "Too many wrong keys came from this address."),
        (503, "The ledger cannot answer now."),
    )
}
"""How every path can say no."""

AS_TABLE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
"""What a path that answers with a table says of it beside its shape in JSON."""


class ApiParts(msgspec.Struct, frozen=True):
    """What the API is put together from."""

    reading: LedgerReading
    live: Live
    prices: PriceBook
    clock: Clock
    time_zone: str

    def resolve(self, viewer: Viewer, query: UsageQuery) -> Asked:
        """
        The parameters of a question at this moment, within what its viewer may see.

        Raises:
            RefusedRequestError: a parameter means nothing (400), or is not the viewer's (403).
        """
        return asked(query, viewer, self.clock.time_ns(), self.time_zone)

    async def answer(
        self, asked: Asked, question: Callable[[sqlite3.Connection, Asked], Answer]
    ) -> Answer:
        """
        What ``question`` finds, all of one moment.

        Raises:
            RefusedRequestError: the ledger cannot answer now, or not in time (503).
        """
        return await self.reading.ask(
            lambda connection: question(connection, as_affordable(connection, asked))
        )


def viewer_of(request: Request) -> Viewer:
    """Who asks: the guard has put it there, or nobody comes this far."""
    viewer: Viewer = request.scope[VIEWER_KEY]
    return viewer


def in_format(answer: BaseModel, wanted: Format) -> Response:
    """An answer that is a table, as JSON or as CSV."""
    if wanted == "json":
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
    text, name = as_csv(answer)
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="modelmeter-{name}.csv"'},
    )
