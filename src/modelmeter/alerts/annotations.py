"""Marks on Grafana's time axes, written by its HTTP API."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO

import msgspec

from modelmeter.errors import UpstreamError
from modelmeter.record import ErrorType

__all__ = ["ANNOTATION_TIMEOUT_SECONDS", "Annotation", "RefuseRedirects", "post_annotation"]

ANNOTATION_TIMEOUT_SECONDS = 10.0
"""For one request to Grafana."""

_PATH = "/api/annotations"
_NS_PER_MS = 1_000_000


class Annotation(msgspec.Struct, frozen=True):
    """One mark, or a span if it has an end."""

    text: str
    tags: Sequence[str]
    """By these a dashboard asks for its annotations."""
    at_ns: int
    """UTC, since 1970."""
    end_ns: int | None = None


class RefuseRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow none."""


def post_annotation(grafana_url: str, token: str, annotation: Annotation) -> None:
    """
    Put a mark on the dashboards of the Grafana at ``grafana_url``, with a service account's token.

    https://grafana.com/docs/grafana/latest/developers/http_api/annotations/

    Raises:
        UpstreamError: Grafana cannot be reached, or does not take it; the text holds no token.
    """
    body: dict[str, object] = {
        "time": annotation.at_ns // _NS_PER_MS,
        "tags": list(annotation.tags),
        "text": annotation.text,
    }
    if annotation.end_ns is not None:
        body["timeEnd"] = annotation.end_ns // _NS_PER_MS
    request = urllib.request.Request(  # noqa: S310 - the settings take http and https alone
        grafana_url.rstrip("/") + _PATH,
        data=msgspec.json.encode(body),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), RefuseRedirects)
    try:
        with opener.open(request, timeout=ANNOTATION_TIMEOUT_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        raise UpstreamError(
            f"Grafana answered {error.code} to an annotation", error_type=ErrorType.BAD_RESPONSE
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise UpstreamError(
            f"Grafana cannot be reached for an annotation: {type(error).__name__}",
            error_type=ErrorType.CONNECTION,
        ) from None
