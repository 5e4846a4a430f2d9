"""The dashboard against Grafana's own types, in TypeScript and in Python."""

import json
import warnings
from copy import deepcopy
from pathlib import Path

import pytest
from dashboard_queries import Json
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from node_programs import type_errors

with warnings.catch_warnings():
    # The class of the classic model, which is the one that provisioning from files takes.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

SHIPPED = Path(__file__).parents[2] / "deploy/grafana/dashboards/llm_usage_dashboard.json"


@pytest.fixture
def dashboard() -> Json:
    loaded: Json = json.loads(SHIPPED.read_text())
    return loaded


def test_grafanas_types_have_nothing_against_the_dashboard(dashboard: Json, tmp_path: Path) -> None:
    assert type_errors(dashboard, tmp_path) == []


def test_grafanas_types_find_planted_faults(dashboard: Json, tmp_path: Path) -> None:
    faulty = deepcopy(dashboard)
    stat, pie = faulty["panels"][1], faulty["panels"][7]
    stat["options"]["colourMode"] = "value"
    stat["fieldConfig"]["defaults"]["thresholds"]["steps"] = [{"value": "1", "color": "red"}]
    pie["options"]["pieType"] = "cake"
    pie["targets"][0]["expression"] = "up"
    faulty["templating"]["list"][1]["refresh"] = "always"
    faulty["schemaversion"] = 41

    found = "\n".join(type_errors(faulty, tmp_path))

    for word in (
        "colourMode",
        "'string'",
        "cake",
        "expression",
        "VariableRefresh",
        "schemaversion",
    ):
        assert word in found


def lost(ours: object, theirs: object, path: str = "") -> list[str]:
    """What of ours is not, or not as it was, in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            line
            for key, value in ours.items()
            for line in (
                lost(value, theirs[key], f"{path}/{key}") if key in theirs else [f"{path}/{key}"]
            )
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            line
            for number, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for line in lost(one, other, f"{path}/{number}")
        ]
    return [] if ours == theirs else [path]


def round_trip(dashboard: Json) -> Json:
    """Through Grafana's classes for Python, which keep what they know."""
    written: Json = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    return written


def test_grafanas_python_classes_keep_all_of_the_dashboard(dashboard: Json) -> None:
    # An id that is null is written as none at all.
    assert lost(dashboard, round_trip(dashboard)) == ["/id"]


def test_grafanas_python_classes_lose_what_they_do_not_know(dashboard: Json) -> None:
    faulty = deepcopy(dashboard)
    faulty["panels"][1]["gridpos"] = {}
    faulty["graphToolTip"] = 1

    assert set(lost(faulty, round_trip(faulty))) == {"/id", "/panels/1/gridpos", "/graphToolTip"}
