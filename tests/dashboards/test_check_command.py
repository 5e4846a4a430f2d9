"""`modelmeter check` with real processes: all is well, and what can be wrong is found."""

import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from grafana_stand_in import TOKEN, grafana_stand_in
from polling import wait_until
from prometheus_server import PrometheusServer, free_port
from running import GatewayProcess, SimulatorProcess, gateway_config
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.dashboards.diagnosis import PRICES_DAYS_MAX, diagnose
from modelmeter.dashboards.gateway_checks import GatewayState
from modelmeter.dashboards.prometheus_checks import check_prometheus
from modelmeter.dashboards.web_pages import WebPages
from modelmeter.pricing.freshness import newest_price_on

NOWHERE = "http://127.0.0.1:1"


def check(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status and findings by name."""
    result = CliRunner().invoke(app, ["check", *arguments, "--json"])
    findings = [json.loads(line) for line in result.output.splitlines()]
    return result.exit_code, {finding["name"]: finding for finding in findings}


@pytest.mark.timeout(120)
def test_a_whole_installation_is_found_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    port = free_port()
    config = gateway_config(tmp_path, simulator.url, extra="scrape_interval_seconds = 0.5")
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
    gateway = GatewayProcess(config)
    gateway.start()
    prometheus = PrometheusServer(
        tmp_path, {"modelmeter": f"127.0.0.1:{port}"}, interval="500ms", rules=True
    )
    try:
        with grafana_stand_in() as grafana:
            places = (
                "--config", str(config), "--prometheus", prometheus.url, "--grafana", grafana.url,
            )  # fmt: skip
            wait_until(lambda: prometheus.value("up") == 1)
            push = ["dashboard", "push", "--grafana", grafana.url, "--prometheus", prometheus.url]
            assert check(*places)[0] == 1
            assert CliRunner().invoke(app, push).exit_code == 0

            status, findings = check(*places)

            assert status == 0, findings
            assert {name: finding["state"] for name, finding in findings.items()} == {
                **dict.fromkeys(
                    ("gateway", "ledger", "target", "data", "queries", "rules", "clock"), "ok"
                ),
                "metrics": "warning",
                "data source": "ok",
                "dashboard": "ok",
                "prices": findings["prices"]["state"],
            }
            assert "no call came through" in findings["metrics"]["said"]

            gateway.kill()
            wait_until(lambda: prometheus.value("up") == 0)
            status, findings = check(*places)

            assert status == 1
            assert findings["gateway"]["state"] == "wrong"
            assert "modelmeter serve" in findings["gateway"]["do"]
            assert findings["target"]["state"] == "wrong"
            assert "down" in findings["target"]["said"]
    finally:
        prometheus.stop()
        gateway.kill()
        simulator.kill()


def test_nothing_at_all_is_told_with_what_to_do() -> None:
    status, findings = check("--gateway", NOWHERE, "--prometheus", NOWHERE)

    assert status == 1
    assert {name for name, each in findings.items() if each["state"] == "wrong"} == {
        "gateway",
        "prometheus",
    }
    assert all(each["do"] for each in findings.values() if each["state"] == "wrong")


def test_people_read_lines_instead_of_json() -> None:
    result = CliRunner().invoke(app, ["check", "--gateway", NOWHERE, "--prometheus", NOWHERE])

    assert "wrong  gateway: http://127.0.0.1:1 cannot be reached" in result.output
    assert "--prometheus" in result.output


class PrometheusAnswers:
    """Answers as Prometheus' API does, with what a test wants said."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {
            "targets": {
                "activeTargets": [
                    {
                        "labels": {"job": "modelmeter"},
                        "scrapeUrl": "http://gateway:4000/metrics",
                        "health": "up",
                        "lastError": "",
                        "scrapeInterval": "15s",
                    }
                ]
            },
            "query": {"result": [{"value": [0, "7"]}]},
            "rules": {"groups": [{"name": "modelmeter-gateway", "rules": []}]},
        }


@pytest.fixture
def answers() -> Iterator[tuple[PrometheusAnswers, WebPages]]:
    """The answers, and their server."""
    said = PrometheusAnswers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.removeprefix("/api/v1/").partition("?")
            data = said.data[path]
            if query == "query=time%28%29":
                data = said.data.get("time", {"result": [0, "0"]})
            content = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield said, WebPages(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    thread.join()


def states(pages: WebPages, *, calls: int = 7, interval: float = 15) -> dict[str, tuple[str, str]]:
    """How each thing of a Prometheus is, and what is said of it."""
    findings = check_prometheus(
        pages,
        WebPages("http://gateway:4000"),
        GatewayState(calls=calls),
        scrape_interval_seconds=interval,
    )
    return {finding.name: (finding.state, finding.said) for finding in findings}


def test_a_prometheus_without_the_target_is_found(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    said, pages = answers
    said.data["targets"] = {"activeTargets": []}

    assert states(pages)["target"][0] == "wrong"


def test_a_target_of_another_job_is_known_by_its_address(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    said, pages = answers
    said.data["targets"]["activeTargets"][0]["labels"] = {"job": "llm"}

    assert states(pages)["target"][0] == "ok"


def test_another_interval_than_the_gateways_is_a_warning(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    _, pages = answers

    assert states(pages, interval=30)["interval"][0] == "warning"
    assert "interval" not in states(pages)


def test_calls_that_prometheus_does_not_have_are_found(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    said, pages = answers
    said.data["query"] = {"result": []}

    assert states(pages)["data"][0] == "wrong"
    assert states(pages, calls=0)["data"][0] == "ok"


def test_missing_rules_and_a_wrong_clock_are_found(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    said, pages = answers
    said.data["rules"] = {"groups": []}

    found = states(pages)

    assert found["rules"][0] == "warning"
    # It says that it is 1970.
    assert found["clock"][0] == "wrong"


def test_old_prices_are_a_warning() -> None:
    def prices(today: date) -> str:
        *_, last = diagnose(
            WebPages(NOWHERE), WebPages(NOWHERE), None, scrape_interval_seconds=15, today=today
        )
        return last.state

    newest = newest_price_on(date(2026, 11, 1))

    assert newest <= date(2026, 11, 1)
    assert prices(newest) == "ok"
    assert prices(date(2026, 11, 1) + timedelta(days=10_000)) == "warning"
    assert PRICES_DAYS_MAX == 90
