"""Paths that answer with calls, and with what follows from them for whoever pays."""

from enum import StrEnum
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from modelmeter.ledger.entries import EntryFilter
from modelmeter.record import ERROR_STATUSES, FAILED_STATUSES, ErrorType, Status
from modelmeter.web.advice import Advice, advice
from modelmeter.web.api_parts import AS_TABLE, ApiParts, in_format, viewer_of
from modelmeter.web.asking import Format, UsageQuery
from modelmeter.web.budgets import BudgetAnswer, Budgets, budget, budgets
from modelmeter.web.call_answers import CallDetail, CallsPage
from modelmeter.web.calls import call_detail, calls_page
from modelmeter.web.guard import SESSION_COOKIE
from modelmeter.web.panels_answer import panels_answer

__all__ = ["add_call_routes"]

_CALLS_MAX = 500
_CALL_ID_MAX = 64
_ERRORS_MAX = len(ErrorType) + 1


class StatusGroup(StrEnum):
    """Several statuses under one name."""

    ANY_ERROR = "any_error"
    """All but success: the calls behind a count of errors."""
    FAILED = "failed"
    """Those that an error rate is of."""


_STATUSES: dict[Status | StatusGroup, tuple[Status, ...]] = {
    **{status: (status,) for status in Status},
    StatusGroup.ANY_ERROR: ERROR_STATUSES,
    StatusGroup.FAILED: FAILED_STATUSES,
}
_Error = ErrorType | Literal[Status.UNKNOWN]
"""Why a call did not succeed; a lost outcome has no error type."""


class CallsQuery(UsageQuery):
    """Which calls."""

    format: Format = "json"
    status: Annotated[
        list[Status | StatusGroup], Field(default_factory=list, max_length=len(_STATUSES))
    ]
    """``any_error``: all but success; ``failed``: error, timeout and unknown."""
    error_type: Annotated[list[_Error], Field(default_factory=list, max_length=_ERRORS_MAX)]
    cursor: Annotated[str | None, Field(max_length=128)] = None
    limit: Annotated[int, Field(ge=1, le=_CALLS_MAX)] = 50


def add_call_routes(router: APIRouter, parts: ApiParts) -> None:
    """Add the paths to the API's router."""

    @router.get(
        "/calls",
        summary="The calls behind a number",
        response_model=CallsPage,
        responses={**AS_TABLE},
    )
    async def _calls(request: Request, query: Annotated[CallsQuery, Query()]) -> Response:
        asked = parts.resolve(viewer_of(request), query)
        statuses = {one for asked_for in query.status for one in _STATUSES[asked_for]}
        ended = EntryFilter(tuple(sorted(statuses)), tuple(query.error_type))
        answer = await parts.reading.ask(
            lambda connection: calls_page(
                connection, asked, ended, cursor=query.cursor, limit=query.limit
            )
        )
        return in_format(answer, query.format)

    @router.get("/calls/{call_id}", summary="Everything about one call")
    async def _call(request: Request, call_id: str) -> CallDetail:
        tenants = viewer_of(request).tenants(())
        return await parts.reading.ask(
            lambda connection: call_detail(connection, call_id[:_CALL_ID_MAX], tenants)
        )

    @router.get("/budgets", summary="How the budgets stand")
    async def _budgets(request: Request) -> Budgets:
        viewer, now_ns = viewer_of(request), parts.clock.time_ns()
        return await parts.reading.ask(lambda connection: budgets(connection, viewer, now_ns))

    @router.get("/budgets/{name}", summary="How one budget stands")
    async def _budget(request: Request, name: str) -> BudgetAnswer:
        viewer, now_ns = viewer_of(request), parts.clock.time_ns()
        return await parts.reading.ask(lambda connection: budget(connection, viewer, now_ns, name))

    @router.get("/advice", summary="What to do about cost")
    async def _advice(request: Request, query: Annotated[UsageQuery, Query()]) -> Advice:
        asked = parts.resolve(viewer_of(request), query)
        return await parts.reading.ask(lambda connection: advice(connection, asked, parts.prices))

    @router.get("/panels", summary="What the page's panels are")
    async def _panels(request: Request) -> Response:
        answer = panels_answer(
            parts.time_zone,
            viewer_of(request),
            signed_in=SESSION_COOKIE in request.cookies,
        )
        return Response(answer, media_type="application/json")
