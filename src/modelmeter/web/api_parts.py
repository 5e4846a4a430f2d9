"""What the API's paths share: where they read, who asks, and in which form they answer."""

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from modelmeter.pricing import PriceBook
from modelmeter.record import Clock
from modelmeter.web.access import VIEWER_KEY, Viewer
from modelmeter.web.asking import Asked, Format, UsageQuery, asked
from modelmeter.web.live import Live
from modelmeter.web.reading import LedgerReading
from modelmeter.web.tables import as_csv

__all__ = ["ApiParts", "in_format", "viewer_of"]


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
