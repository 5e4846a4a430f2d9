"""`backend.core.llm.metrics`: what the platform tells is what is shown, once."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fresh_process import fresh_process  # noqa: F401 - a fixture
from ledger_file import query
from prometheus_client.parser import text_string_to_metric_families

from backend.core.llm import get_cost_tracker, get_llm_metrics
from modelmeter import __version__
from modelmeter.in_process import in_process
from modelmeter.ledger.series_reader import SeriesSnapshot
from modelmeter.metrics import BirthHold, Exposition
from modelmeter.record import SystemClock, Teams
from modelmeter.service.llm_metrics import LLMMetrics

pytestmark = pytest.mark.usefixtures("fresh_process")

MISSION_LINES = """
from backend.core.llm import get_cost_tracker, get_llm_metrics
metrics = get_llm_metrics()
# Metrics should be initialized
"""

Labels = dict[str, str]


class NoHold(BirthHold):
    """Shows each series with its value from its birth on."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), scrape_interval_seconds=15)

    def newly_shown_until_ns(self, snapshot: SeriesSnapshot) -> int:
        return SystemClock().time_ns()


@pytest.fixture(name="metrics")
def metrics_shown_at_once() -> LLMMetrics:
    """The metrics of this process, with values that are shown at once."""
    return LLMMetrics(
        in_process().ledger, Teams({}), SystemClock(), Exposition(version=__version__), NoHold()
    )


def value(metrics: LLMMetrics, name: str, **labels: str) -> float:
    """The one sample with these labels."""
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics.get_metrics().decode())
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, (name, labels)
    return float(found[0])


def test_the_missions_lines_make_the_metrics_exist() -> None:
    """As written in the dashboard's document; afterwards every promised metric is there."""
    names: dict[str, object] = {}

    exec(MISSION_LINES, names)

    metrics = names["metrics"]
    assert metrics is get_llm_metrics()
    assert isinstance(metrics, LLMMetrics)
    shown = metrics.get_metrics().decode()
    for name in (
        *("llm_requests_total", "llm_tokens_used_total", "llm_cache_hits_total"),
        *("llm_cache_misses_total", "llm_errors_total", "llm_cost_total"),
        *("llm_request_duration_seconds", "llm_active_requests", "llm_cache_size"),
    ):
        assert f"# TYPE {name} " in shown


def test_a_recorded_request_is_counted_with_exact_cost(metrics: LLMMetrics) -> None:
    """Token types are our own; a cost of a tenth of a cent summed a thousand times is a dollar."""
    who = {"agent_id": "meetmind.coordinator", "model": "gpt-4", "provider": "openai"}

    for _ in range(1000):
        metrics.record_request(
            agent_id="meetmind.coordinator",
            model="gpt-4",
            provider="openai",
            status="success",
            duration_seconds=2.5,
            prompt_tokens=100,
            completion_tokens=200,
            cost=0.001,
        )

    assert value(metrics, "llm_requests_total", **who, status="success") == 1000
    assert value(metrics, "llm_cost_total", **who) == 1.0
    assert value(metrics, "llm_tokens_used_total", **who, token_type="input") == 100_000
    assert value(metrics, "llm_tokens_used_total", **who, token_type="output") == 200_000
    assert value(metrics, "llm_request_duration_seconds_sum", **who) == 2500
    assert "llm_cache_misses_total{" not in metrics.get_metrics().decode()
    assert value(metrics, "llm_agent_info", agent_id="meetmind.coordinator", team="meetmind") == 1


def test_a_recorded_request_is_no_entry(metrics: LLMMetrics) -> None:
    """The platform tells its cost to the tracker too; the ledger must not hold it twice."""
    metrics.record_request("a", "gpt-4", "openai", "success", 1.0, 10, 10, cost=0.5)
    metrics.get_metrics()

    entries = in_process().ledger.read(
        lambda connection: connection.execute("SELECT count(*) FROM entry").fetchone()
    )
    assert entries == (0,)


def test_errors_hits_misses_and_sizes_are_shown(metrics: LLMMetrics) -> None:
    """Each in the platform's own words."""
    metrics.record_error("agent.svea.pm", "gpt-4", "openai", "RateLimitError")
    metrics.record_cache_hit("agent.svea.pm", "gpt-4")
    metrics.record_cache_hit("agent.svea.pm", "gpt-4")
    metrics.record_cache_miss("agent.svea.pm", "gpt-4")
    metrics.set_cache_size("acme", 7)
    metrics.set_cache_size("acme", 5)

    who = {"agent_id": "agent.svea.pm", "model": "gpt-4"}
    error = {**who, "provider": "openai", "error_type": "RateLimitError"}
    assert value(metrics, "llm_errors_total", **error) == 1
    assert value(metrics, "llm_cache_hits_total", **who) == 2
    assert value(metrics, "llm_cache_misses_total", **who) == 1
    assert value(metrics, "llm_cache_size", tenant_id="acme") == 5


def test_a_hit_that_is_recorded_and_told_is_one(metrics: LLMMetrics) -> None:
    """As the platform does that looks into its cache, tells it, and records the call."""
    for cached in (True, False, True):
        (metrics.record_cache_hit if cached else metrics.record_cache_miss)("a", "gpt-4")
        metrics.record_request("a", "gpt-4", "openai", "success", 0.1, cached=cached)

    who = {"agent_id": "a", "model": "gpt-4"}
    assert value(metrics, "llm_cache_hits_total", **who) == 2
    assert value(metrics, "llm_cache_misses_total", **who) == 1


def test_active_requests_go_up_and_down_and_never_below_zero(metrics: LLMMetrics) -> None:
    """A call too many is no debt."""
    who = {"agent_id": "a", "provider": "openai"}

    metrics.increment_active_requests("a", "openai")
    metrics.increment_active_requests("a", "openai")
    assert value(metrics, "llm_active_requests", **who) == 2

    for _ in range(3):
        metrics.decrement_active_requests("a", "openai")
    metrics.increment_active_requests("a", "openai")
    assert value(metrics, "llm_active_requests", **who) == 1


async def test_a_tracked_request_is_active_also_around_await(metrics: LLMMetrics) -> None:
    """And no longer after it failed."""
    who = {"agent_id": "a", "provider": "openai"}

    async def fail_while_tracked() -> None:
        with metrics.track_request("a", "gpt-4", "openai"):
            await asyncio.sleep(0)
            assert value(metrics, "llm_active_requests", **who) == 1
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await fail_while_tracked()

    assert value(metrics, "llm_active_requests", **who) == 0


def test_many_threads_lose_nothing(metrics: LLMMetrics) -> None:
    """Eight threads, four thousand calls."""

    def work(number: int) -> None:
        for _ in range(500):
            with metrics.track_request(f"a{number % 2}", "gpt-4", "openai"):
                metrics.record_request(f"a{number % 2}", "gpt-4", "openai", "success", 0.1, 1, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    for agent in ("a0", "a1"):
        who = {"agent_id": agent, "provider": "openai"}
        assert value(metrics, "llm_active_requests", **who) == 0
        assert value(metrics, "llm_requests_total", **who, model="gpt-4", status="success") == 2000


def test_words_of_a_program_are_bounded(metrics: LLMMetrics) -> None:
    """Error types, models and providers beyond the cap are ``other``."""
    for number in range(250):
        metrics.record_error("a", "gpt-4", f"provider-{number}", f"error {number}")
        metrics.record_request("a", "gpt-4", f"provider-{number}", "success", 0.1)

    shown = metrics.get_metrics().decode()
    assert 'error_type="error 199"' in shown
    assert "error 200" not in shown
    assert "provider-200" not in shown


def test_odd_amounts_and_statuses_break_nothing(metrics: LLMMetrics) -> None:
    """Metrics must never fail the call that they count."""
    metrics.record_request("a", "m", "p", "strange", -1.0, -5, 3, cost=float("nan"))
    metrics.record_request("a", "m", "p", "success", 0.5, cost=-1.0)

    who = {"agent_id": "a", "model": "m", "provider": "p"}
    assert value(metrics, "llm_requests_total", **who, status="unknown") == 1
    assert value(metrics, "llm_cost_total", **who) == 0


def test_a_new_series_stands_at_zero_as_on_the_gateways_page() -> None:
    """Prometheus' ``increase()`` would otherwise lose its first value."""
    metrics = get_llm_metrics()

    metrics.record_request("a", "gpt-4", "openai", "success", 0.5)

    who = {"agent_id": "a", "model": "gpt-4", "provider": "openai", "status": "success"}
    assert value(metrics, "llm_requests_total", **who) == 0


def test_a_configured_ledger_holds_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its series are those that `modelmeter serve` shows."""
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("MODELMETER_LEDGER", str(ledger))

    metrics = get_llm_metrics()
    metrics.record_error("a", "gpt-4", "openai", "timeout")
    metrics.get_metrics()

    assert query(ledger, "SELECT labels, whole FROM series WHERE kind = 'errors'") == [
        ('["a","gpt-4","openai","timeout"]', 1)
    ]


def test_a_forked_child_begins_anew() -> None:
    """It has none of its parent's threads, so it must not wait for them."""
    get_llm_metrics().record_cache_hit("a", "gpt-4")
    child = os.fork()
    if not child:
        shown = b"llm_cache_hits_total{" in get_llm_metrics().get_metrics()
        os._exit(3 if shown else 0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_was_made_before_a_fork_goes_on_in_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As servers do that load the program once and fork their workers."""
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("MODELMETER_LEDGER", str(ledger))
    metrics, tracker = get_llm_metrics(), get_cost_tracker()
    tracker.record_cost("parent", "gpt-4", "openai", 1000, 0)
    child = os.fork()
    if not child:
        metrics.record_error("child", "gpt-4", "openai", "timeout")
        cost = tracker.record_cost("child", "gpt-4", "openai", 1000, 0)
        metrics.get_metrics()
        os._exit(0 if cost == 0.03 else 3)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    tracker.record_cost("parent", "gpt-4", "openai", 1000, 0)
    assert tracker.get_daily_summary().cost_by_agent == {"parent": 0.06, "child": 0.03}
    assert query(ledger, "SELECT labels, whole FROM series WHERE kind = 'errors'") == [
        ('["child","gpt-4","openai","timeout"]', 1)
    ]
