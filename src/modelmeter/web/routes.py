"""The API's paths: what each takes and gives."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from modelmeter.ledger.entries import EntryFilter
from modelmeter.ledger.reader import GroupBy
from modelmeter.pricing import PriceBook
from modelmeter.record import Clock, ErrorType, Status
from modelmeter.web.access import VIEWER_KEY, Viewer
from modelmeter.web.answers import Breakdown, ErrorAnswer, Names, Series, Summary
from modelmeter.web.asking import Asked, Format, UsageQuery, asked
from modelmeter.web.breakdown import ROWS_MAX, breakdown
from modelmeter.web.call_answers import CallDetail, CallsPage
from modelmeter.web.calls import call_detail, calls_page
from modelmeter.web.live import Live
from modelmeter.web.marks import Marks, marks
from modelmeter.web.measures import Metric, Quantile
from modelmeter.web.names import names
from modelmeter.web.over_time import By, series
from modelmeter.web.overview import summary
from modelmeter.web.panels_answer import panels_answer
from modelmeter.web.reading import LedgerReading
from modelmeter.web.tables import as_csv

__all__ = ["ApiParts", "api_router"]

_CALLS_MAX = 500
_CALL_ID_MAX = 64
_ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "A parameter means nothing."),
        (401, "A key with the scope `read` is needed."),
        (403, "The key may not read this."),
        (404, "There is no such thing for this key."),
        (503, "The ledger cannot answer now."),
    )
}

Model = TypeVar("Model", bound=BaseModel)


class ApiParts(msgspec.Struct, frozen=True):
    """What the API is put together from."""

    reading: LedgerReading
    live: Live
    prices: PriceBook
    clock: Clock
    time_zone: str


class TableQuery(UsageQuery):
    """A question whose answer is a table."""

    format: Format = "json"


class SeriesQuery(TableQuery):
    """Which metric over time."""

    metric: Metric = Metric.REQUESTS
    by: By = By.NONE
    quantile: Annotated[Quantile, Field(description="Of a latency by group.")] = Quantile.P99


class BreakdownQuery(TableQuery):
    """Which groups."""

    by: GroupBy = GroupBy.TEAM
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 100


class CallsQuery(TableQuery):
    """Which calls."""

    status: Annotated[list[Status], Field(default_factory=list, max_length=len(Status))]
    error_type: Annotated[list[ErrorType], Field(default_factory=list, max_length=len(ErrorType))]
    cursor: Annotated[str | None, Field(max_length=128)] = None
    limit: Annotated[int, Field(ge=1, le=_CALLS_MAX)] = 50


def api_router(parts: ApiParts) -> APIRouter:
    """The routes of ``/api/v1``."""
    router = APIRouter(prefix="/api/v1", responses={**_ERRORS})

    def resolve(request: Request, query: UsageQuery) -> Asked:
        viewer: Viewer = request.scope[VIEWER_KEY]
        return asked(query, viewer, parts.clock.time_ns(), parts.time_zone)

    @router.get("/summary", summary="The figures of the overview")
    async def _summary(request: Request, query: Annotated[UsageQuery, Query()]) -> Summary:
        resolved = resolve(request, query)
        return await parts.reading.ask(lambda connection: summary(connection, resolved))

    @router.get("/series", summary="A metric over time", response_model=Series)
    async def _series(request: Request, query: Annotated[SeriesQuery, Query()]) -> Response:
        resolved = resolve(request, query)
        answer = await parts.reading.ask(
            lambda connection: series(connection, resolved, query.metric, query.by, query.quantile)
        )
        return _in_format(answer, query.format)

    @router.get("/breakdown", summary="Groups side by side", response_model=Breakdown)
    async def _breakdown(request: Request, query: Annotated[BreakdownQuery, Query()]) -> Response:
        resolved = resolve(request, query)
        answer = await parts.reading.ask(
            lambda connection: breakdown(connection, resolved, query.by, rows_max=query.limit)
        )
        return _in_format(answer, query.format)

    @router.get("/calls", summary="The calls behind a number", response_model=CallsPage)
    async def _calls(request: Request, query: Annotated[CallsQuery, Query()]) -> Response:
        resolved = resolve(request, query)
        ended = EntryFilter(tuple(query.status), tuple(query.error_type))
        answer = await parts.reading.ask(
            lambda connection: calls_page(
                connection, resolved, ended, cursor=query.cursor, limit=query.limit
            )
        )
        return _in_format(answer, query.format)

    @router.get("/calls/{call_id}", summary="Everything about one call")
    async def _call(request: Request, call_id: str) -> CallDetail:
        viewer: Viewer = request.scope[VIEWER_KEY]
        return await parts.reading.ask(
            lambda connection: call_detail(connection, call_id[:_CALL_ID_MAX], viewer.tenants(()))
        )

    @router.get("/panels", summary="What the page's panels are")
    async def _panels() -> Response:
        return Response(panels_answer(parts.time_zone), media_type="application/json")

    @router.get("/names", summary="What there is to filter by")
    async def _names(request: Request, query: Annotated[UsageQuery, Query()]) -> Names:
        resolved = resolve(request, query)
        return await parts.reading.ask(lambda connection: names(connection, resolved))

    @router.get("/marks", summary="Marks for the time axes")
    async def _marks(request: Request, query: Annotated[UsageQuery, Query()]) -> Marks:
        resolved = resolve(request, query)
        return await parts.reading.ask(lambda connection: marks(connection, resolved))

    @router.get(
        "/stream",
        summary="The overview's figures as they change",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def _stream(request: Request, query: Annotated[UsageQuery, Query()]) -> Response:
        viewer: Viewer = request.scope[VIEWER_KEY]
        resolve(request, query)

        async def ask() -> bytes:
            resolved = asked(query, viewer, parts.clock.time_ns(), parts.time_zone)
            answer = await parts.reading.ask(lambda connection: summary(connection, resolved))
            return answer.model_dump_json(by_alias=True).encode()

        key = (viewer, query.model_dump_json())
        return StreamingResponse(
            _events(parts.live.follow(key, ask)), media_type="text/event-stream"
        )

    return router


async def _events(answers: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for answer in answers:
        yield b"event: summary\ndata: " + answer + b"\n\n"


def _in_format(answer: BaseModel, wanted: Format) -> Response:
    if wanted == "json":
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
    text, name = as_csv(answer)
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="modelmeter-{name}.csv"'},
    )
