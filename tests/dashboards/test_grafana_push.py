"""What is sent to Grafana: by `dashboard push`, by `annotate`, and by the README's curl."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from grafana_stand_in import TOKEN, GrafanaStandIn, grafana_stand_in
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.dashboards.dashboard import DASHBOARD_UID
from modelmeter.errors import SettingsError, UpstreamError

FOLDER = Path(__file__).parents[2] / "src/modelmeter/dashboards"


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaStandIn]:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    with grafana_stand_in() as running:
        yield running


def run(*arguments: str) -> str:
    """A command's output; an error of ours is raised as it is."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.output


def push(grafana: GrafanaStandIn, *options: str) -> str:
    return run("dashboard", "push", "--grafana", grafana.url, *options)


def test_push_makes_folder_data_source_and_dashboard(grafana: GrafanaStandIn) -> None:
    output = push(grafana, "--prometheus", "http://prometheus:9090", "--folder", "Costs")

    (source,) = grafana.data_sources
    saved = grafana.dashboards[DASHBOARD_UID]
    assert list(grafana.folders.values()) == ["Costs"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == "15s"
    assert saved["folderUid"] in grafana.folders
    assert saved["overwrite"] is True
    assert saved["dashboard"]["title"] == "LLM Usage Dashboard"
    assert f"{grafana.url}/d/{DASHBOARD_UID}/" in output


def test_push_can_run_twice(grafana: GrafanaStandIn) -> None:
    push(grafana, "--prometheus", "http://prometheus:9090")
    output = push(grafana, "--json")

    assert json.loads(output) == {
        "folder": "there",
        "data_source": "there",
        "dashboard_url": f"{grafana.url}/d/{DASHBOARD_UID}/llm-usage-dashboard",
    }
    assert grafana.versions == {DASHBOARD_UID: 2}
    assert len(grafana.data_sources) == len(grafana.folders) == 1


def test_push_leaves_a_data_source_that_is_there(grafana: GrafanaStandIn) -> None:
    grafana.data_sources.append({"uid": "p", "name": "Mimir", "type": "prometheus", "url": "x"})

    push(grafana, "--prometheus", "http://prometheus:9090")

    assert [source["name"] for source in grafana.data_sources] == ["Mimir"]


def test_push_uses_a_folder_of_that_title_that_somebody_else_made(grafana: GrafanaStandIn) -> None:
    grafana.folders["provisioned"] = "LLM"

    push(grafana, "--prometheus", "http://prometheus:9090")

    assert grafana.folders == {"provisioned": "LLM"}
    assert grafana.dashboards[DASHBOARD_UID]["folderUid"] == "provisioned"


def test_push_without_any_prometheus_says_what_to_give(grafana: GrafanaStandIn) -> None:
    with pytest.raises(SettingsError, match="--prometheus URL"):
        push(grafana)

    assert grafana.dashboards == {}


def test_push_goes_on_where_the_token_may_not_see_data_sources(grafana: GrafanaStandIn) -> None:
    grafana.shows_data_sources = False

    output = push(grafana)

    assert "data source: not seen" in output
    assert DASHBOARD_UID in grafana.dashboards


def test_a_wrong_token_is_told_without_showing_it(
    grafana: GrafanaStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "glsa_wrong")

    with pytest.raises(UpstreamError, match="answered 401") as raised:
        push(grafana)

    assert "glsa" not in str(raised.value)


@pytest.mark.parametrize("token", ["glsa_itself", "env:NOT_SET_AT_ALL"])
def test_a_token_is_given_by_reference_only(grafana: GrafanaStandIn, token: str) -> None:
    with pytest.raises(SettingsError) as raised:
        push(grafana, "--token", token)

    assert "glsa_itself" not in str(raised.value)


def test_another_web_server_is_found_out(
    grafana: GrafanaStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "answer", lambda *_: (200, ["hello"]))

    with pytest.raises(UpstreamError, match="no answer of Grafana's API"):
        push(grafana)


def test_annotate_posts_a_deployment_with_its_tag_and_time(grafana: GrafanaStandIn) -> None:
    output = run(
        "annotate", "--grafana", grafana.url, "--deployment", "v1.2.3",
        "--at", "2026-11-02T10:00:00Z", "--tag", "production",
    )  # fmt: skip

    assert grafana.annotations == [
        {
            "time": 1_793_613_600_000,
            "tags": ["deployment", "v1.2.3", "production"],
            "text": "Deployment of v1.2.3",
        }
    ]
    assert "v1.2.3" in output


def test_annotate_posts_a_text_with_tags_that_the_dashboard_asks_for(
    grafana: GrafanaStandIn,
) -> None:
    run("annotate", "--grafana", grafana.url, "--text", "Limit raised", "--tag", "budget")

    (posted,) = grafana.annotations
    assert (posted["text"], posted["tags"]) == ("Limit raised", ["budget"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--deployment VERSION"),
        (["--text", "hello"], "--tag"),
        (["--deployment", "v1", "--at", "yesterday"], "ISO time"),
        (["--deployment", "v1", "--at", "2026-11-02T10:00:00"], "time zone"),
    ],
)
def test_annotate_says_what_is_missing(
    grafana: GrafanaStandIn, options: list[str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        run("annotate", "--grafana", grafana.url, *options)

    assert grafana.annotations == []


def test_the_readmes_curl_saves_the_shipped_file_as_it_stands(grafana: GrafanaStandIn) -> None:
    readme = (FOLDER / "README.md").read_text()
    command = readme.partition("curl -X POST")[2].partition("\n\n")[0]
    command = command.replace("http://localhost:3000", grafana.url).replace("YOUR_API_KEY", TOKEN)

    done = subprocess.run(
        ["bash", "-c", f"curl --silent --noproxy '*' -X POST {command}"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["status"] == "success"
    assert grafana.dashboards[DASHBOARD_UID]["dashboard"]["panels"]
