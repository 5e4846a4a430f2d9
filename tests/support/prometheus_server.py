"""A real Prometheus with the scrape configuration that is shipped, made fast for tests."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

__all__ = ["SHIPPED_CONFIG", "PrometheusServer", "free_port"]

SHIPPED_CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus.yml"
START_SECONDS_MAX = 30.0


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrometheusServer:
    """Debian's Prometheus, scraping the given targets (job name to host:port)."""

    def __init__(
        self,
        folder: Path,
        targets: dict[str, str],
        *,
        interval: str,
        rules: bool = False,
        job: dict[str, Any] | None = None,
    ) -> None:
        """``job``: how to scrape them; without it as shipped for a gateway on this machine."""
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_config(targets, interval, rules, job)))
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_PROXY": "*"},
            )
        self._wait_until_ready()

    def value(self, query: str, *, at: float | None = None) -> float | None:
        """The value of an instant query with one result; None without a result."""
        results = self.query(query, at=at)
        if not results:
            return None
        (result,) = results
        return float(result["value"][1])

    def query(self, query: str, *, at: float | None = None) -> list[dict[str, list[str]]]:
        """The results of an instant query."""
        parameters = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        results: list[dict[str, list[str]]] = self._ask("query", parameters)["result"]
        return results

    def query_range(
        self, query: str, *, start: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """The lines of a range query."""
        edges = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        results: list[dict[str, Any]] = self._ask("query_range", {"query": query, **edges})[
            "result"
        ]
        return results

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values of a label, as a variable of Grafana asks for them."""
        values: list[str] = self._ask(f"label/{label}/values", {"match[]": selector})
        return values

    def rules(self) -> list[dict[str, Any]]:
        """All rules, recording and alerting, as they stand."""
        groups: list[dict[str, Any]] = self._ask("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ask(self, path: str, parameters: dict[str, str]) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready"):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("Prometheus did not become ready")


def _config(
    targets: dict[str, str], interval: str, rules: bool, job: dict[str, Any] | None
) -> dict[str, Any]:
    """The shipped configuration with other targets and intervals, and nobody to alert."""
    shipped: dict[str, Any] = yaml.safe_load(SHIPPED_CONFIG.read_text())
    (shipped_job,) = shipped["scrape_configs"]
    files = [str(SHIPPED_CONFIG.parent / name) for name in shipped["rule_files"]]
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": "1s"},
        "rule_files": files if rules else [],
        "scrape_configs": [
            {**(job or shipped_job), "job_name": name, "static_configs": [{"targets": [target]}]}
            for name, target in targets.items()
        ],
    }
