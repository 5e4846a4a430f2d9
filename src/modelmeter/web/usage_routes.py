"""Paths that answer with sums: figures, lines, groups, and the figures as they change."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from modelmeter.ledger.reader import GroupBy
from modelmeter.web.answers import Breakdown, Names, Series, Summary
from modelmeter.web.api_parts import AS_TABLE, ApiParts, in_format, viewer_of
from modelmeter.web.asking import Format, UsageQuery
from modelmeter.web.breakdown import ROWS_MAX, breakdown
from modelmeter.web.marks import Marks, marks
from modelmeter.web.measures import Metric, Quantile
from modelmeter.web.names import names
from modelmeter.web.over_time import By, series
from modelmeter.web.overview import summary

__all__ = ["add_usage_routes"]


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


def add_usage_routes(router: APIRouter, parts: ApiParts) -> None:
    """Add the paths to the API's router."""

    @router.get("/summary", summary="The figures of the overview")
    async def _summary(request: Request, query: Annotated[UsageQuery, Query()]) -> Summary:
        asked = parts.resolve(viewer_of(request), query)
        return await parts.answer(asked, summary)

    @router.get(
        "/series", summary="A metric over time", response_model=Series, responses={**AS_TABLE}
    )
    async def _series(request: Request, query: Annotated[SeriesQuery, Query()]) -> Response:
        asked = parts.resolve(viewer_of(request), query)
        answer = await parts.answer(
            asked,
            lambda connection, asked: series(
                connection, asked, query.metric, query.by, query.quantile
            ),
        )
        return in_format(answer, query.format)

    @router.get(
        "/breakdown",
        summary="Groups side by side",
        response_model=Breakdown,
        responses={**AS_TABLE},
    )
    async def _breakdown(request: Request, query: Annotated[BreakdownQuery, Query()]) -> Response:
        asked = parts.resolve(viewer_of(request), query)
        answer = await parts.answer(
            asked,
            lambda connection, asked: breakdown(connection, asked, query.by, rows_max=query.limit),
        )
        return in_format(answer, query.format)

    @router.get("/names", summary="What there is to filter by")
    async def _names(request: Request, query: Annotated[UsageQuery, Query()]) -> Names:
        asked = parts.resolve(viewer_of(request), query)
        return await parts.answer(asked, names)

    @router.get("/marks", summary="Marks for the time axes")
    async def _marks(request: Request, query: Annotated[UsageQuery, Query()]) -> Marks:
        asked = parts.resolve(viewer_of(request), query)
        return await parts.answer(asked, marks)

    @router.get(
        "/stream",
        summary="The overview's figures as they change",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def _stream(request: Request, query: Annotated[UsageQuery, Query()]) -> Response:
        viewer = viewer_of(request)
        parts.resolve(viewer, query)

        async def ask() -> bytes:
            asked = parts.resolve(viewer, query)
            answer = await parts.answer(asked, summary)
            return answer.model_dump_json(by_alias=True).encode()

        # Whoever asks the same shares one question a second.
        answers = parts.live.follow((viewer, query.model_dump_json()), ask)
        return StreamingResponse(_events(answers), media_type="text/event-stream")


async def _events(answers: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for answer in answers:
        yield b"event: summary\ndata: " + answer + b"\n\n"
