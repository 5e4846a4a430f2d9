"""Grafana's HTTP API, as far as a dashboard needs it: folder, data source, dashboard."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from modelmeter.alerts.annotations import RefuseRedirects
from modelmeter.dashboards.panel_json import Json
from modelmeter.errors import SettingsError, UpstreamError
from modelmeter.record import ErrorType

__all__ = ["DataSource", "GrafanaApi"]

TIMEOUT_SECONDS: Final = 10.0
"""For one request to Grafana."""
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
"""An answer of Grafana; a longer one is cut, and so is no JSON."""

FOLDERS_MAX: Final = 1000
"""Folders that are looked through for a title."""

T = TypeVar("T")

_NOT_FOUND: Final = 404
_FORBIDDEN: Final = (401, 403)


class Folder(msgspec.Struct, frozen=True):
    """A folder at the top of Grafana."""

    uid: str
    title: str


class DataSource(msgspec.Struct, frozen=True):
    """A data source that Grafana has."""

    uid: str
    name: str
    type: str


class GrafanaApi:
    """
    One Grafana, with a service account's token.

    https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/
    """

    def __init__(self, url: str, token: str) -> None:
        """
        Raises:
            SettingsError: it is no address of a web server.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise SettingsError(f"{url!r} is no address such as http://localhost:3000")
        self.url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), RefuseRedirects)

    def ensure_folder(self, title: str) -> tuple[str, bool]:
        """
        The uid of the folder of this title, and whether it had to be made.

        Raises:
            UpstreamError: Grafana does not answer, or does not allow it.
        """
        folders = self._ask("GET", f"/api/folders?limit={FOLDERS_MAX}")
        for folder in _converted(folders, list[Folder]):
            if folder.title == title:
                return folder.uid, False
        made = self._ask("POST", "/api/folders", {"title": title})
        return _converted(made, Folder).uid, True

    def data_sources(self) -> Sequence[DataSource]:
        """
        All data sources.

        Raises:
            UpstreamError: Grafana does not answer, or does not show them to this token.
        """
        return _converted(self._ask("GET", "/api/datasources"), list[DataSource])

    def add_prometheus(self, url: str, *, scrape_interval_seconds: float) -> None:
        """
        Make a data source for the Prometheus at ``url``, and the default if there is none.

        Raises:
            UpstreamError: Grafana does not answer, or does not allow it.
        """
        self._ask(
            "POST",
            "/api/datasources",
            {
                "name": "Prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": url,
                "isDefault": True,
                "jsonData": {"timeInterval": f"{scrape_interval_seconds:g}s", "httpMethod": "POST"},
            },
        )

    def has_dashboard(self, uid: str) -> bool:
        """
        Whether there is a dashboard of this uid.

        Raises:
            UpstreamError: Grafana does not answer, or does not show it to this token.
        """
        path = f"/api/dashboards/uid/{quote(uid, safe='')}"
        return self._ask("GET", path, missing_is_none=True) is not None

    def save_dashboard(self, dashboard: Json, folder_uid: str) -> str:
        """
        Save a bare dashboard over the one of its uid; its address.

        Raises:
            UpstreamError: Grafana does not answer, or does not take it.
        """
        body = {
            "dashboard": dashboard,
            "folderUid": folder_uid,
            "overwrite": True,
            "message": "by modelmeter",
        }
        answer = self._ask("POST", "/api/dashboards/db", body)
        path = answer.get("url") if isinstance(answer, dict) else None
        if not isinstance(path, str):
            raise _odd_answer("no url")
        return self.url + path

    def _ask(
        self, method: str, path: str, body: Json | None = None, *, missing_is_none: bool = False
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http and https alone, see __init__
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            method=method,
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return json.loads(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            if missing_is_none and error.code == _NOT_FOUND:
                return None
            raise _refusal(method, path, error) from None
        except (OSError, HTTPException) as error:
            raise UpstreamError(
                f"Grafana at {self.url} cannot be reached: {getattr(error, 'reason', error)}",
                error_type=ErrorType.CONNECTION,
            ) from None
        except ValueError as error:
            raise _odd_answer(str(error)) from None


def _converted(answer: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise _odd_answer(str(error)) from error


def _refusal(method: str, path: str, error: urllib.error.HTTPError) -> UpstreamError:
    try:
        said = json.loads(error.read(ANSWER_BYTES_MAX)).get("message", "")
    except (ValueError, OSError, AttributeError):
        said = ""
    text = f"Grafana answered {error.code} to {method} {path}"
    if said:
        text += f": {str(said)[:200]}"
    if error.code in _FORBIDDEN:
        text += "; give the token of a service account with the role Admin"
        return UpstreamError(text, error_type=ErrorType.PERMISSION)
    return UpstreamError(text, error_type=ErrorType.BAD_RESPONSE)


def _odd_answer(why: str) -> UpstreamError:
    return UpstreamError(
        f"this is no answer of Grafana's API ({why}); is the address right?",
        error_type=ErrorType.BAD_RESPONSE,
    )
