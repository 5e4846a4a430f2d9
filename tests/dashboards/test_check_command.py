"""`modelmeter check` with real processes: all is well, and what can be wrong is found."""

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
from modelmeter.errors import SettingsError
from modelmeter.pricing.freshness import newest_price_on

NOWHERE = "http://127.0.0.1:1"
READER_KEY = "mm-readers-canary-reader-secret"
CALLER_KEY = "mm-callers-canary-caller-secret"


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


@pytest.mark.timeout(120)
def test_a_prometheus_that_scrapes_another_gateway_is_told_apart(tmp_path: Path) -> None:
    """Both are up, both have metrics of that name; the ledgers behind them differ."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    folders = [tmp_path / "own", tmp_path / "other"]
    gateways = []
    for folder in folders:
        folder.mkdir()
        config = gateway_config(folder, simulator.url, extra="scrape_interval_seconds = 0.5")
        gateways.append(GatewayProcess(config))
    own, other = gateways
    prometheus = None
    try:
        own.start()
        other.start()
        call(other.url)
        prometheus = PrometheusServer(
            tmp_path, {"modelmeter": urlsplit(other.url).netloc}, interval="500ms", rules=True
        )
        wait_until(lambda: prometheus.value("sum(llm_requests_total)") == 1)

        status, findings = check("--gateway", own.url, "--prometheus", prometheus.url)

        assert status == 1
        assert findings["target"]["state"] == "wrong"
        assert "another ledger" in findings["target"]["said"]
        assert "data" not in findings

        # Without a configuration: the interval is what the gateway says.
        status, findings = check("--gateway", other.url, "--prometheus", prometheus.url)

        assert status == 0, findings
        assert {findings[name]["state"] for name in ("metrics", "target", "data")} == {"ok"}
        assert findings["data"]["said"] == "1 calls in Prometheus"
        assert "interval" not in findings
        assert findings["metrics"]["said"] == "initialised, 1 calls shown"
    finally:
        if prometheus is not None:
            prometheus.stop()
        own.kill()
        other.kill()
        simulator.kill()


def call(gateway: str) -> None:
    """A chat completion."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-test"}
    request = urllib.request.Request(
        f"{gateway}/openai/v1/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.mark.timeout(120)
def test_calls_whose_series_are_new_are_not_taken_for_none(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    extra = "scrape_interval_seconds = 3600"
    gateway = GatewayProcess(gateway_config(tmp_path, simulator.url, extra=extra))
    try:
        gateway.start()
        places = ("--gateway", gateway.url, "--prometheus", NOWHERE)
        before = check(*places)[1]["metrics"]
        call(gateway.url)
        after = check(*places)[1]["metrics"]
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    assert (before["state"], after["state"]) == ("warning", "ok")
    assert "first calls stand at 0" in after["said"]


@pytest.mark.timeout(120)
def test_a_gateway_with_keys_is_looked_at_with_a_readers_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    digest = hashlib.sha256(READER_KEY.encode()).hexdigest()
    config = gateway_config(tmp_path, simulator.url)
    with config.open("a") as file:
        file.write(f'[[keys]]\nid = "readers"\nsha256 = "{digest}"\nscopes = ["read"]\n')
        digest = hashlib.sha256(CALLER_KEY.encode()).hexdigest()
        file.write(f'[[keys]]\nid = "callers"\nsha256 = "{digest}"\n')
    lying = tmp_path / "key"
    lying.write_text(READER_KEY)
    lying.chmod(0o600)
    monkeypatch.setenv("READ_KEY", READER_KEY)
    monkeypatch.setenv("WRONG_KEY", "mm-readers-wrong")
    monkeypatch.setenv("CALL_KEY", CALLER_KEY)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        place = ("--gateway", gateway.url, "--prometheus", NOWHERE)
        found = {
            key: check(*place, *(["--key", key] if key else []))[1]["metrics"]
            for key in ("", "env:WRONG_KEY", "env:CALL_KEY", "env:READ_KEY", f"file:{lying}")
        }
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    assert [finding["state"] for finding in found.values()] == [
        "wrong", "wrong", "wrong", "warning", "warning",
    ]  # fmt: skip
    assert "401" in found[""]["said"]
    assert "--key env:NAME" in found[""]["do"]
    assert "this key is not valid there" in found["env:WRONG_KEY"]["do"]
    assert "this key may not read" in found["env:CALL_KEY"]["do"]
    assert "no call came through" in found["env:READ_KEY"]["said"]
    assert all(READER_KEY not in json.dumps(finding) for finding in found.values())


def test_a_key_on_the_command_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users of a machine can read a command's arguments."""
    refused = CliRunner().invoke(app, ["check", "--key", READER_KEY])
    assert isinstance(refused.exception, SettingsError)
    assert READER_KEY not in str(refused.exception)

    monkeypatch.delenv("READ_KEY", raising=False)
    missing = CliRunner().invoke(app, ["check", "--key", "env:READ_KEY"])
    assert "READ_KEY is not set" in str(missing.exception)


def test_a_key_goes_to_the_gateway_alone() -> None:
    """Not to Prometheus, and not to where something at the gateway's address sends on to."""
    with listening() as (elsewhere, seen_elsewhere), listening(elsewhere) as (gateway, seen):
        WebPages(gateway, {"x-modelmeter-key": READER_KEY}).read("/metrics")

    assert seen[0]["x-modelmeter-key"] == READER_KEY
    assert [headers.get("x-modelmeter-key") for headers in seen_elsewhere] == [None]


@contextmanager
def listening(sends_on_to: str | None = None) -> Iterator[tuple[str, list[Message]]]:
    """A web server, and the headers that it got."""
    seen: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers)
            self.send_response(200 if sends_on_to is None else 302)
            self.send_header("content-length", "0")
            if sends_on_to is not None:
                self.send_header("location", sends_on_to)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as url:
        yield url, seen


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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

    with serving(Handler) as url:
        yield said, WebPages(url)


def states(
    pages: WebPages, *, calls: int = 7, interval: float | None = 15, ledger_id: str | None = None
) -> dict[str, tuple[str, str]]:
    """How each thing of a Prometheus is, and what is said of it."""
    findings = check_prometheus(
        pages, WebPages("http://gateway:4000"), GatewayState(calls, ledger_id, interval)
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


def test_what_a_gateway_reckons_with_that_was_not_seen_is_not_guessed(
    answers: tuple[PrometheusAnswers, WebPages],
) -> None:
    said, pages = answers
    said.data["targets"]["activeTargets"][0]["scrapeInterval"] = "30s"

    assert "interval" not in states(pages, interval=None)


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
        *_, last = diagnose(WebPages(NOWHERE), WebPages(NOWHERE), None, today=today)
        return last.state

    newest = newest_price_on(date(2026, 11, 1))

    assert newest <= date(2026, 11, 1)
    assert prices(newest) == "ok"
    assert prices(date(2026, 11, 1) + timedelta(days=10_000)) == "warning"
    assert PRICES_DAYS_MAX == 90
