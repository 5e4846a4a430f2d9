"""The API's paths: what each takes and gives."""

from fastapi import APIRouter

from modelmeter.web.api_parts import ERRORS, ApiParts
from modelmeter.web.call_routes import add_call_routes
from modelmeter.web.usage_routes import add_usage_routes

__all__ = ["api_router"]


def api_router(parts: ApiParts) -> APIRouter:
    """The routes of ``/api/v1``."""
    router = APIRouter(prefix="/api/v1", responses=ERRORS)
    add_usage_routes(router, parts)
    add_call_routes(router, parts)
    return router
