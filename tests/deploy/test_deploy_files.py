"""The files of deploy/, by the programs and schemas they are for, and whether they fit together."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from node_programs import resource_errors
from polling import wait_until
from prometheus_server import PrometheusServer
from running import GatewayProcess, gateway_config

from modelmeter.errors import SettingsError
from modelmeter.settings.load import load_settings
from modelmeter.wiring import faults_of_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RESOURCES: list[dict[str, Any]] = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
KEYS = json.dumps([{"id": "abcdef", "sha256": hashlib.sha256(b"mm-abcdef-x").hexdigest()}])


def program(*arguments: str) -> str:
    """What a program prints, if it is content."""
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def resource(kind: str) -> dict[str, Any]:
    """The one resource of a kind."""
    (found,) = [each for each in RESOURCES if each["kind"] == kind]
    return found


@pytest.mark.parametrize("file", ["prometheus.yml", "compose/prometheus.yml"])
def test_promtool_takes_the_configuration(tmp_path: Path, file: str) -> None:
    """With the secrets that compose would mount, for promtool looks whether they are there."""
    folder = Path(shutil.copytree(DEPLOY, tmp_path / "deploy"))
    secrets = folder / "secrets"
    secrets.mkdir()
    for name in COMPOSE["secrets"]:
        (secrets / name).write_text("mm-abcdef-x")
    config = folder / file
    config.write_text(config.read_text().replace("/run/secrets", str(secrets)))

    assert "rules found" in program("promtool", "check", "config", str(config))


def test_amtool_takes_the_configuration() -> None:
    assert "3 receivers" in program("amtool", "check-config", str(DEPLOY / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=LLMBudgetSpent", "severity=critical", "threshold=100%"], "budgets"),
        (["alertname=LLMBudgetForecast", "severity=warning"], "budgets"),
        (["alertname=LLMBudgetMetricsGone", "severity=warning"], "platform"),
        (["alertname=LLMMeteringDown", "severity=critical"], "on-call"),
        (["alertname=LLMLatencyHigh", "severity=warning"], "platform"),
        (["alertname=LLMCacheHitRateLow", "severity=info"], "platform"),
    ],
)
def test_alerts_reach_the_right_receiver(labels: list[str], receiver: str) -> None:
    config = f"--config.file={DEPLOY / 'alertmanager.yml'}"

    assert program("amtool", "config", "routes", "test", config, *labels).strip() == receiver


def test_compose_file_fits_the_published_schema(tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    faulty = tmp_path / "compose.yaml"
    faulty.write_text("services: {gateway: {imagee: modelmeter}}\n")

    program(*check, str(DEPLOY / "compose.yaml"))

    assert subprocess.run([*check, str(faulty)], capture_output=True, check=False).returncode == 1


def test_hadolint_takes_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    assert program(str(hadolint), str(DEPLOY / "Dockerfile")) == ""


def test_kubernetes_files_fit_the_published_schemas(tmp_path: Path) -> None:
    assert resource_errors(RESOURCES, tmp_path) == []


def test_kubernetes_schemas_find_planted_faults(tmp_path: Path) -> None:
    faulty = json.loads(json.dumps(RESOURCES))
    for each in faulty:
        if each["kind"] == "StatefulSet":
            each["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "http"
        if each["kind"] == "ServiceMonitor":
            each["spec"]["endpoints"][0]["intervall"] = "15s"

    found = "\n".join(resource_errors(faulty, tmp_path))

    assert "containerPort must be integer" in found
    assert "intervall" in found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    user, _, _ = service["user"].partition(":")

    assert re.fullmatch(r"[\w/]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])
    assert int(user) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "healthcheck" in service or "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text()


def test_what_compose_mounts_exists_and_what_it_asks_for_is_explained() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    mounts = re.findall(r"- (\./[^:\n]+):", text)
    variables = set(re.findall(r"\$\{(\w+)", text)) | {
        secret["environment"] for secret in COMPOSE["secrets"].values()
    }

    assert mounts
    assert all((DEPLOY / mount).exists() for mount in mounts)
    example = (DEPLOY / ".env.example").read_text()
    assert variables == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_services_find_each_other() -> None:
    prometheus = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    )["datasources"][0]
    settings = load_settings(DEPLOY / "compose/modelmeter.toml", {"MODELMETER_KEYS": KEYS})
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    (alerts,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    grafana = SERVICES["grafana"]["environment"]

    credentials = prometheus["scrape_configs"][0]["authorization"]["credentials_file"]
    assert credentials.removeprefix("/run/secrets/") in SERVICES["prometheus"]["secrets"]
    assert target == f"gateway:{settings.listen.rpartition(':')[2]}"
    assert alerts == "alertmanager:9093"
    assert source["url"] == "http://prometheus:9090"
    assert settings.cache.store.get_secret_value() == "redis://redis:6379/0"
    assert grafana["GF_DATABASE_HOST"] == "postgres:5432"
    assert grafana["GF_DATABASE_USER"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    assert {"gateway", "alertmanager", "prometheus", "redis", "postgres"} <= set(SERVICES)


def test_one_scrape_interval_is_used_everywhere() -> None:
    """Series are held at 0 and rates are taken by it."""
    settings = load_settings(DEPLOY / "compose/modelmeter.toml", {"MODELMETER_KEYS": KEYS})
    expected = f"{settings.scrape_interval_seconds:g}s"
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    )["datasources"][0]
    configured = [
        yaml.safe_load((DEPLOY / file).read_text())["global"]["scrape_interval"]
        for file in ("prometheus.yml", "compose/prometheus.yml")
    ]

    assert configured == [expected, expected]
    assert source["jsonData"]["timeInterval"] == expected
    assert resource("ServiceMonitor")["spec"]["endpoints"][0]["interval"] == expected


def test_grafana_is_provisioned_with_the_folder_that_is_mounted() -> None:
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/modelmeter.yaml").read_text()
    )["providers"][0]
    path = provider["options"]["path"]

    assert f"./grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
    assert (DEPLOY / "grafana/dashboards/llm_usage_dashboard.json").exists()


def test_a_gateway_without_keys_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="modelmeter key new"):
        load_settings(
            DEPLOY / "compose/modelmeter.toml",
            {"MODELMETER_KEYS": "[]"},
            check=faults_of_settings,
        )


def test_kubernetes_names_fit_each_other(tmp_path: Path) -> None:
    service, workload = resource("Service"), resource("StatefulSet")
    monitor, config = resource("ServiceMonitor"), resource("ConfigMap")
    pod = workload["spec"]["template"]
    container = pod["spec"]["containers"][0]
    path = tmp_path / "modelmeter.toml"
    path.write_text(config["data"]["modelmeter.toml"])

    settings = load_settings(path, {"MODELMETER_KEYS": KEYS})

    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert container["ports"][0]["containerPort"] == int(settings.listen.rpartition(":")[2])
    assert str(settings.ledger).startswith(container["volumeMounts"][1]["mountPath"])
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["image"] == SERVICES["gateway"]["image"]
    # A gateway that others reach has keys, so whoever scrapes it shows one.
    shown = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
    env = {each["name"]: each for each in container["env"]}
    assert shown["name"] == env["MODELMETER_KEYS"]["valueFrom"]["secretKeyRef"]["name"]
    readme = (DEPLOY / "README.md").read_text()
    assert f"create secret generic {shown['name']} --from-literal=keys=" in readme
    assert f"--from-literal={shown['key']}=" in readme
    # The rules' alerts ask for this job, which the operator names after the service.
    assert service["metadata"]["name"] == "modelmeter"


def test_the_image_runs_as_the_user_that_compose_and_kubernetes_name() -> None:
    user = re.findall(r"^USER (\d+):", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    security = resource("StatefulSet")["spec"]["template"]["spec"]["securityContext"]

    assert user == ["10001"]
    assert SERVICES["gateway"]["user"] == "10001:10001"
    assert security["runAsUser"] == 10001


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shows_key", [True, False])
def test_prometheus_of_compose_reads_a_gateway_with_keys(tmp_path: Path, shows_key: bool) -> None:
    """As it is configured there, but for the address and the place of the key."""
    secret = "mm-readers-x"
    (tmp_path / "read_key").write_text(secret)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    config = gateway_config(tmp_path, "http://127.0.0.1:1")
    with config.open("a") as file:
        file.write(f'[[keys]]\nid = "readers"\nsha256 = "{digest}"\nscopes = ["read"]\n')
    gateway = GatewayProcess(config)
    prometheus = None
    try:
        gateway.start()
        (job,) = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())["scrape_configs"]
        job["authorization"]["credentials_file"] = str(tmp_path / "read_key")
        if not shows_key:
            del job["authorization"]
        prometheus = PrometheusServer(
            tmp_path, {"modelmeter": urlsplit(gateway.url).netloc}, interval="500ms", job=job
        )
        wait_until(lambda: prometheus.value("up") is not None)

        assert prometheus.value("up") == int(shows_key)
        assert gateway.stop() == 0
    finally:
        if prometheus is not None:
            prometheus.stop()
        gateway.kill()
