"""The web side of the gateway as one ASGI application."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp

from modelmeter import __version__
from modelmeter.web.api_parts import ApiParts
from modelmeter.web.docs_page import docs_page
from modelmeter.web.failures import handle_failures
from modelmeter.web.guard import Guard
from modelmeter.web.headers import with_safe_headers
from modelmeter.web.login import login_router
from modelmeter.web.page_files import page_router
from modelmeter.web.routes import api_router

__all__ = ["web_app"]


def web_app(parts: ApiParts, guard: Guard, *, body_timeout_seconds: float) -> ASGIApp:
    """The API, its description and the page, behind the guard."""
    app = FastAPI(
        title="modelmeter",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name.strip("_"),
    )
    handle_failures(app, guard.count_refusal)
    app.include_router(api_router(parts))
    app.include_router(login_router(guard, body_timeout_seconds=body_timeout_seconds))
    app.include_router(page_router())

    @app.get("/docs", include_in_schema=False)
    async def _docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    return with_safe_headers(guard.around(app))
