"""The page's own files, read once and served from memory."""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

__all__ = ["ASSETS_PATH", "VIEW_PATHS", "page_router"]

ASSETS_PATH = "/assets/"
VIEW_PATHS = ("/", "/breakdown", "/calls", "/calls/{call_id}", "/budgets", "/advice", "/login")
"""Each is the same document; what it shows, its own script reads off the address."""

_DOCUMENT = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# May be kept, but is asked about each time: after an update nobody runs a mix of versions.
_CACHING = "no-cache"


class _File(msgspec.Struct, frozen=True):
    content: bytes
    media_type: str
    tag: str


def page_router() -> APIRouter:
    """The routes of the page: a document for each view, and its scripts, styles and pictures."""
    known = _read(files("modelmeter.web").joinpath("page"), "")
    router = APIRouter(include_in_schema=False)

    async def document(request: Request) -> Response:
        return _answer(request, known[_DOCUMENT])

    async def asset(request: Request, name: str) -> Response:
        # Looked up among the files that were read, so no name can lead elsewhere.
        file = known.get(name)
        return Response(status_code=404) if file is None else _answer(request, file)

    for path in VIEW_PATHS:
        router.add_api_route(path, document, methods=["GET", "HEAD"])
    router.add_api_route(f"{ASSETS_PATH}{{name:path}}", asset, methods=["GET", "HEAD"])
    return router


def _read(folder: Traversable, prefix: str) -> dict[str, _File]:
    known: dict[str, _File] = {}
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            known |= _read(entry, f"{name}/")
        else:
            content = entry.read_bytes()
            media_type = _MEDIA_TYPES[PurePath(entry.name).suffix]
            tag = f'"{sha256(content).hexdigest()[:16]}"'
            known[name] = _File(content, media_type, tag)
    return known


def _answer(request: Request, file: _File) -> Response:
    headers = {"etag": file.tag, "cache-control": _CACHING}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
