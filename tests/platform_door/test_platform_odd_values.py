"""Whatever a program tells of its calls: nothing raises, and all that can be counted is."""

import logging
import re
from collections.abc import Callable

import pytest
from fresh_process import fresh_process  # noqa: F401 - a fixture
from prometheus_client.parser import text_string_to_metric_families

from backend.core.llm import get_llm_metrics
from modelmeter.service.told_values import COST_USD_MAX, DURATION_SECONDS_MAX, TOKENS_MAX

pytestmark = pytest.mark.usefixtures("fresh_process")

NAN, INFINITE = float("nan"), float("inf")
CALL: dict[str, object] = {
    "agent_id": "meetmind.notes",
    "model": "gpt-4",
    "provider": "openai",
    "status": "success",
    "duration_seconds": 1.5,
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "cost": 0.5,
}


def told(name: str, *values: object) -> list[tuple[str, object]]:
    return [(name, value) for value in values]


ODD_VALUES = [
    *told("duration_seconds", None, NAN, INFINITE, -1.0, "fast", DURATION_SECONDS_MAX + 1, 10**400),
    *told("prompt_tokens", None, NAN, INFINITE, -1, "many", TOKENS_MAX + 1, 10**5000),
    *told("completion_tokens", None, NAN, INFINITE, -1, TOKENS_MAX + 1),
    *told("cost", None, NAN, INFINITE, -0.1, "dear", COST_USD_MAX + 1, 1e300),
    *told("agent_id", None, 7, "\ud800"),
    *told("model", None, ["gpt-4"], "gpt-\udfff"),
    *told("provider", None, b"openai", "\ud800"),
    *told("status", None, ["success"], "\ud800"),
]
Samples = dict[str, float]


def shown() -> Samples:
    """The sums of all counters, as the ledger holds them behind the zeros of new series."""
    text = get_llm_metrics().get_metrics().decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


@pytest.fixture(autouse=True)
def without_hold(monkeypatch: pytest.MonkeyPatch, fresh_process: None) -> None:  # noqa: F811
    """New series are shown with their values at once."""
    monkeypatch.setattr("modelmeter.metrics.birth_hold._HELD_INTERVALS", 0)
    monkeypatch.setattr("modelmeter.metrics.birth_hold._HELD_EXTRA_SECONDS", -3600.0)


@pytest.mark.parametrize(("name", "value"), ODD_VALUES, ids=range(len(ODD_VALUES)))
def test_the_rest_of_a_call_is_counted_when_one_value_is_none(
    name: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """And what is left out is counted, and logged once."""
    record: Callable[..., None] = get_llm_metrics().record_request

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            record(**{**CALL, name: value})

    found = shown()
    assert found["llm_requests_total"] == 2
    measured = name not in ("duration_seconds", "status")
    assert found.get("llm_request_duration_seconds_count", 0) == (2 if measured else 0)
    tokens = {"prompt_tokens": 3, "completion_tokens": 4}
    assert found["llm_tokens_used_total"] == 2 * (7 - tokens.get(name, 0))
    assert found["llm_cost_total"] == (0 if name == "cost" else 1)
    assert found["modelmeter_values_left_out_total"] == 2
    assert [bool(re.match(f"{name}: ", line)) for line in caplog.messages] == [True]


def test_what_else_a_program_tells_never_raises_either() -> None:
    metrics = get_llm_metrics()
    tell: list[Callable[..., None]] = [
        metrics.record_error,
        metrics.record_cache_hit,
        metrics.record_cache_miss,
        metrics.increment_active_requests,
        metrics.decrement_active_requests,
        metrics.set_cache_size,
    ]
    for one in tell:
        arguments = 4 if one == metrics.record_error else 2
        for value in (None, "\ud800", ["a list"]):
            one(*[value] * arguments)

    found = shown()
    assert found["llm_errors_total"] == 3
    assert found["llm_cache_hits_total"] == found["llm_cache_misses_total"] == 3
    assert found["modelmeter_values_left_out_total"] == 3 * (4 + 5 * 2)


def test_values_that_are_numbers_in_other_words_count() -> None:
    """Of other libraries, say, or read from a text."""
    record: Callable[..., None] = get_llm_metrics().record_request

    record(**{**CALL, "prompt_tokens": 3.0, "completion_tokens": "4", "cost": "0.5"})

    found = shown()
    assert (found["llm_tokens_used_total"], found["llm_cost_total"]) == (7, 0.5)
    assert "modelmeter_values_left_out_total" not in found
