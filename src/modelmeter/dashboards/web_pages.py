"""Reads what a web server says at an address, for finding out whether it is as it should be."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from modelmeter.errors import SettingsError, UpstreamError
from modelmeter.record import ErrorType

__all__ = ["WebPages"]

TIMEOUT_SECONDS: Final = 10.0
"""For one page."""
PAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A page; a longer one is cut."""


class WebPages:
    """The pages of one server."""

    def __init__(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """
        ``headers`` go with every request to this server, and with none to which it sends on.

        Raises:
            SettingsError: it is no address of a web server.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"{url!r} is no address such as http://127.0.0.1:9090")
        self.url = url.rstrip("/")
        self.place = parts.netloc
        self.shows_key = bool(headers)
        """Its pages are asked for with a key."""
        self._headers = headers
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read(self, path: str, **parameters: str) -> tuple[int, bytes]:
        """
        Status and content of a page.

        Raises:
            UpstreamError: the server cannot be reached.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(  # noqa: S310 - http or https, see __init__
            self.url + path + query
        )
        for name, value in self._headers.items():
            request.add_unredirected_header(name, value)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as page:
                return page.status, page.read(PAGE_BYTES_MAX)
        except urllib.error.HTTPError as error:
            return error.code, error.read(PAGE_BYTES_MAX)
        except (OSError, HTTPException) as error:
            raise UpstreamError(
                f"{self.url} cannot be reached: {getattr(error, 'reason', error)}",
                error_type=ErrorType.CONNECTION,
            ) from None

    def prometheus(self, path: str, **parameters: str) -> Any:
        """
        The data of an answer of Prometheus' API.

        Raises:
            UpstreamError: it cannot be reached, or says that something is wrong.
        """
        status, content = self.read(f"/api/v1/{path}", **parameters)
        try:
            answer = json.loads(content)
            if answer["status"] == "success":
                return answer["data"]
            said = str(answer.get("error", ""))[:200]
        except (ValueError, KeyError, TypeError, AttributeError):
            said = "this is no answer of Prometheus; is the address right?"
        raise UpstreamError(
            f"{self.url} answered {status}: {said}", error_type=ErrorType.BAD_RESPONSE
        )
