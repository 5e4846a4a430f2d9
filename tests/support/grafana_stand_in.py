"""
Stands in for Grafana's HTTP API in tests of what is sent to it.

Paths, bodies and answers as its documentation has them; it is no Grafana, and says nothing of how
one would show a dashboard.
https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["TOKEN", "GrafanaStandIn", "grafana_stand_in"]

TOKEN = "glsa_for_tests"
Answer = tuple[int, Any]


class GrafanaStandIn:
    """Folders, data sources, dashboards and annotations in memory."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.data_sources: list[dict[str, Any]] = []
        self.dashboards: dict[str, dict[str, Any]] = {}
        """The last body saved, by the dashboard's uid."""
        self.versions: dict[str, int] = {}
        self.annotations: list[dict[str, Any]] = []
        self.shows_data_sources = True
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        """What Grafana would answer."""
        match (method, path.partition("?")[0].strip("/").split("/")):
            case ("GET", ["api", "folders"]):
                return 200, [{"uid": u, "title": t} for u, t in self.folders.items()]
            case ("POST", ["api", "folders"]):
                if body["title"] in self.folders.values():
                    return 409, {"message": "a folder with the same name already exists"}
                uid = f"folder{len(self.folders)}"
                self.folders[uid] = body["title"]
                return 200, {"uid": uid, "title": body["title"], "url": f"/dashboards/f/{uid}/"}
            case ("GET", ["api", "datasources"]):
                if not self.shows_data_sources:
                    return 403, {"message": "You'll need additional permissions: datasources:read"}
                return 200, self.data_sources
            case ("POST", ["api", "datasources"]):
                return self._add_data_source(body)
            case ("GET", ["api", "dashboards", "uid", uid]):
                if uid not in self.dashboards:
                    return 404, {"message": "Dashboard not found"}
                return 200, {"dashboard": self.dashboards[uid]["dashboard"], "meta": {}}
            case ("POST", ["api", "dashboards", "db"]):
                return self._save(body)
            case ("POST", ["api", "annotations"]):
                self.annotations.append(body)
                return 200, {"message": "Annotation added", "id": len(self.annotations)}
        return 404, {"message": "Not found"}

    def _add_data_source(self, body: Any) -> Answer:
        if any(source["name"] == body["name"] for source in self.data_sources):
            return 409, {"message": "data source with the same name already exists"}
        self.data_sources.append({**body, "uid": f"ds{len(self.data_sources)}", "id": 1})
        return 200, {"message": "Datasource added", "id": 1}

    def _save(self, body: Any) -> Answer:
        dashboard = body.get("dashboard")
        if not isinstance(dashboard, dict) or not dashboard.get("title"):
            return 400, {"message": "Dashboard title cannot be empty"}
        if (folder := body.get("folderUid")) and folder not in self.folders:
            return 400, {"message": "folder not found"}
        uid = dashboard["uid"]
        if uid in self.dashboards and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else"}
        self.dashboards[uid] = body
        self.versions[uid] = self.versions.get(uid, 0) + 1
        return 200, {
            "status": "success",
            "uid": uid,
            "url": f"/d/{uid}/llm-usage-dashboard",
            "version": self.versions[uid],
        }


@contextlib.contextmanager
def grafana_stand_in() -> Iterator[GrafanaStandIn]:
    """One that listens on loopback."""
    grafana = GrafanaStandIn()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                status, answer = 401, {"message": "Invalid API key"}
            else:
                status, answer = grafana.answer(
                    self.command, self.path, json.loads(body) if body else None
                )
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
