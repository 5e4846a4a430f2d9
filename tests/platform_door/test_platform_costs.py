"""`backend.core.llm.cost_calculator`: exact costs, a history that outlives its process."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fresh_process import fresh_process  # noqa: F401 - a fixture
from ledger_file import query

from backend.core.llm import LLMCostCalculator, get_cost_tracker
from modelmeter.errors import UnknownModelError
from modelmeter.in_process import close_in_process

pytestmark = pytest.mark.usefixtures("fresh_process")

BEFORE_EXTENDED_ACCESS = datetime(2025, 6, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "provider", "input_cost", "output_cost"),
    [
        ("gpt-4", "openai", 0.03, 0.06),
        ("gpt-4-turbo", "openai", 0.01, 0.03),
        ("gpt-4-turbo-preview", "openai", 0.01, 0.03),
        ("gpt-3.5-turbo", "openai", 0.0005, 0.0015),
        ("claude-3-opus", "bedrock", 0.015, 0.075),
        ("claude-3-sonnet", "bedrock", 0.003, 0.015),
        ("claude-3-haiku", "bedrock", 0.00025, 0.00125),
        ("claude-2", "bedrock", 0.008, 0.024),
        ("claude-2.1", "bedrock", 0.008, 0.024),
        ("anthropic.claude-3-opus-20240229-v1:0", "bedrock", 0.015, 0.075),
        ("anthropic.claude-3-haiku-20240307-v1:0", "bedrock", 0.00025, 0.00125),
        ("us.anthropic.claude-3-sonnet-20240229-v1:0", "bedrock", 0.003, 0.015),
        ("anthropic.claude-v2:1", "bedrock", 0.008, 0.024),
        ("gemini-1.5-pro", "genai", 0.00125, 0.005),
        ("gemini-1.5-flash", "genai", 0.000075, 0.0003),
        ("gemini-pro", "genai", 0.0005, 0.0015),
    ],
)
def test_the_platforms_models_have_their_published_price(
    model: str, provider: str, input_cost: float, output_cost: float
) -> None:
    """USD for 1,000 tokens."""
    pricing = LLMCostCalculator.get_model_pricing(model)

    assert pricing is not None
    assert (pricing.model_name, pricing.provider) == (model, provider)
    assert (pricing.input_cost_per_1k, pricing.output_cost_per_1k) == (input_cost, output_cost)
    cost = LLMCostCalculator.calculate_cost(model, 2000, 1000)
    assert cost == pytest.approx(2 * input_cost + output_cost, rel=1e-15)


def test_a_short_name_costs_what_bedrock_charges_at_the_time() -> None:
    """Claude 3.5 Sonnet's price there rose with its extended access on 2025-12-01."""
    tracker = get_cost_tracker()

    before = tracker.record_cost(
        "a", "claude-3.5-sonnet", "bedrock", 1000, 1000, BEFORE_EXTENDED_ACCESS
    )

    assert before == 0.018
    full = "anthropic.claude-3-5-sonnet-20240620-v1:0"
    now = LLMCostCalculator.calculate_cost("claude-3.5-sonnet", 1000, 1000)
    assert now == LLMCostCalculator.calculate_cost(full, 1000, 1000)


def test_an_unknown_model_is_never_priced_as_another() -> None:
    """It has no price, and says so."""
    with pytest.raises(UnknownModelError, match="no-such-model"):
        LLMCostCalculator.calculate_cost("no-such-model", 1, 1)
    with pytest.raises(UnknownModelError):
        LLMCostCalculator.estimate_monthly_cost("no-such-model", 1, 1, 1)
    assert LLMCostCalculator.get_model_pricing("no-such-model") is None


def test_total_tokens_are_split_by_the_ratio() -> None:
    """The default is one half; no token is lost in rounding."""
    of_total = LLMCostCalculator.calculate_cost_from_total_tokens
    each = LLMCostCalculator.calculate_cost

    assert of_total("gpt-4", 1001) == each("gpt-4", 500, 501)
    assert of_total("gpt-4", 1000, input_ratio=0.7) == each("gpt-4", 700, 300)
    with pytest.raises(ValueError, match="input_ratio"):
        of_total("gpt-4", 10, input_ratio=1.5)


def test_a_months_cost_is_thirty_days_of_a_days() -> None:
    """Summed before it becomes a float."""
    estimate = LLMCostCalculator.estimate_monthly_cost("gpt-3.5-turbo", 1000, 333, 77)

    each = (333 * 500 + 77 * 1500) / 1e9
    assert estimate == {
        "model": "gpt-3.5-turbo",
        "requests_per_day": 1000,
        "cost_per_request": pytest.approx(each, rel=1e-15),
        "daily_cost": 0.282,
        "weekly_cost": 1.974,
        "monthly_cost": 8.46,
    }


def test_models_are_compared_and_the_cheapest_found() -> None:
    """Unknown ones are told, not skipped."""
    models = ["gpt-4", "claude-3-haiku", "gemini-1.5-flash"]

    costs = LLMCostCalculator.compare_model_costs(models, 1000, 1000)

    assert costs == {"gpt-4": 0.09, "claude-3-haiku": 0.0015, "gemini-1.5-flash": 0.000375}
    cheapest = LLMCostCalculator.get_cheapest_model(models, 1000, 1000)
    assert cheapest == ("gemini-1.5-flash", 0.000375)
    with pytest.raises(UnknownModelError):
        LLMCostCalculator.get_cheapest_model([*models, "no-such-model"], 1, 1)


def test_a_days_costs_add_up_by_agent_model_and_provider() -> None:
    """Fractions of a cent are not rounded away before they are summed."""
    tracker = get_cost_tracker()
    assert tracker is get_cost_tracker()

    costs = [
        tracker.record_cost("meetmind.coordinator", "gpt-3.5-turbo", "openai", 1, 0)
        for _ in range(1000)
    ]
    tracker.record_cost("svea.pm", "claude-3-opus", "bedrock", 1000, 1000)

    assert costs == [5e-07] * 1000
    summary = tracker.get_daily_summary()
    assert summary.date == datetime.now(UTC).date().isoformat()
    assert summary.total_cost == 0.0905
    assert (summary.total_requests, summary.total_tokens) == (1001, 3000)
    assert summary.cost_by_agent == {"meetmind.coordinator": 0.0005, "svea.pm": 0.09}
    assert summary.cost_by_model == {"gpt-3.5-turbo": 0.0005, "claude-3-opus": 0.09}
    assert summary.cost_by_provider == {"openai": 0.0005, "bedrock": 0.09}


def test_an_unknown_model_is_entered_as_unpriced() -> None:
    """It costs nothing until its price is known, and is counted."""
    tracker = get_cost_tracker()

    assert tracker.record_cost("a", "no-such-model", "openai", 10, 10) == 0.0

    summary = tracker.get_daily_summary()
    assert (summary.total_requests, summary.total_cost) == (1, 0.0)


def test_days_weeks_and_months_hold_their_calls() -> None:
    """A week begins on Monday; a range holds both its ends."""
    tracker = get_cost_tracker()
    for day in (1, 2, 8, 30):
        tracker.record_cost("a", "gpt-4", "openai", 1000, 0, datetime(2025, 6, day, 9, tzinfo=UTC))
    tracker.record_cost("a", "gpt-4", "openai", 1000, 0, datetime(2025, 7, 1, 0, tzinfo=UTC))

    days = tracker.get_cost_range("2025-06-01", "2025-06-03")
    week = tracker.get_weekly_summary("2025-06-04")
    month = tracker.get_monthly_summary("2025-06-15")

    assert [(day.date, day.total_cost) for day in days] == [
        ("2025-06-01", 0.03),
        ("2025-06-02", 0.03),
        ("2025-06-03", 0.0),
    ]
    assert (week["start_date"], week["end_date"]) == ("2025-06-02", "2025-06-08")
    assert (week["total_cost"], week["total_requests"], week["total_tokens"]) == (0.06, 2, 2000)
    assert (month["start_date"], month["end_date"]) == ("2025-06-01", "2025-06-30")
    assert (month["total_cost"], month["total_requests"]) == (0.12, 4)
    summaries = month["daily_summaries"]
    assert isinstance(summaries, list)
    assert len(summaries) == 30
    with pytest.raises(ValueError, match="range"):
        tracker.get_cost_range("2025-06-03", "2025-06-01")


def test_the_budget_is_measured_against_the_days_costs() -> None:
    """Over the threshold first, then over the budget; without a budget never."""
    tracker = get_cost_tracker()
    assert tracker.check_budget_threshold()["is_over_threshold"] is False

    assert get_cost_tracker(daily_budget=0.1) is tracker
    tracker.record_cost("a", "gpt-4", "openai", 3000, 0)
    status = tracker.check_budget_threshold(threshold_percent=80.0)
    assert status["percent_used"] == pytest.approx(90.0)
    assert (status["is_over_threshold"], status["is_over_budget"]) == (True, False)
    assert (status["current_cost"], status["daily_budget"]) == (0.09, 0.1)
    assert status["remaining"] == pytest.approx(0.01)

    tracker.record_cost("a", "gpt-4", "openai", 1000, 0)
    over = get_cost_tracker().check_budget_threshold()
    assert (over["is_over_budget"], over["remaining"]) == (True, 0.0)


def test_the_history_survives_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the process is killed right after a cost was recorded."""
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("MODELMETER_LEDGER", str(ledger))
    program = """
import os, signal
from backend.core.llm import get_cost_tracker
get_cost_tracker().record_cost("meetmind.coordinator", "gpt-4", "openai", 1000, 500)
os.kill(os.getpid(), signal.SIGKILL)
"""

    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9

    summary = get_cost_tracker().get_daily_summary()
    assert (summary.total_requests, summary.total_cost) == (2, 0.12)
    assert summary.cost_by_agent == {"meetmind.coordinator": 0.12}


def test_threads_and_a_second_process_write_the_same_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No entry is lost or entered twice."""
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("MODELMETER_LEDGER", str(ledger))
    program = """
from backend.core.llm import get_cost_tracker
for _ in range(100):
    get_cost_tracker().record_cost("b", "gpt-4", "openai", 1000, 0)
"""
    tracker = get_cost_tracker()

    with subprocess.Popen([sys.executable, "-c", program]) as other:
        with ThreadPoolExecutor(8) as pool:
            done = pool.map(
                lambda _: tracker.record_cost("a", "gpt-4", "openai", 1000, 0), range(400)
            )
            assert sum(1 for cost in done if cost == 0.03) == 400
        assert other.wait() == 0

    summary = tracker.get_daily_summary()
    assert summary.cost_by_agent == {"a": 12.0, "b": 3.0}
    close_in_process()
    assert query(ledger, "SELECT count(*), count(DISTINCT id) FROM entry") == [(500, 500)]


def test_the_operators_own_prices_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For estimates and for what is entered alike."""
    config = tmp_path / "modelmeter.toml"
    config.write_text(
        f"""
ledger = "{tmp_path / "ledger.db"}"
[[prices.models]]
provider = "openai"
models = ["gpt-4"]
input = "1"
output = "2"
"""
    )
    monkeypatch.setenv("MODELMETER_CONFIG", str(config))

    assert LLMCostCalculator.calculate_cost("gpt-4", 1_000_000, 1_000_000) == 3.0
    assert not (tmp_path / "ledger.db").exists()
    tracker = get_cost_tracker()
    assert tracker.record_cost("a", "gpt-4", "openai", 1_000_000, 1_000_000) == 3.0
