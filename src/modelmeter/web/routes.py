"""The API's paths: what each takes and gives."""

from collections.abc import Mapping

from fastapi import APIRouter

from modelmeter.web.answers import ErrorAnswer
from modelmeter.web.api_parts import ApiParts
from modelmeter.web.call_routes import add_call_routes
from modelmeter.web.usage_routes import add_usage_routes

__all__ = ["api_router"]

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


def api_router(parts: ApiParts) -> APIRouter:
    """The routes of ``/api/v1``."""
    router = APIRouter(prefix="/api/v1", responses={**_ERRORS})
    add_usage_routes(router, parts)
    add_call_routes(router, parts)
    return router
