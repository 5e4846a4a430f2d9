"""How long new series stand at 0: two scrape intervals of a process that could be scraped."""

import time
import urllib.request
from pathlib import Path

import pytest
from ledger_file import query
from polling import wait_until
from prometheus_client.parser import text_string_to_metric_families
from running import GatewayProcess, SimulatorProcess, gateway_config
from simulator_client import Client

from modelmeter.ledger.series_reader import SeriesRow, SeriesSnapshot
from modelmeter.metrics import BirthHold

INTERVAL_SECONDS = 0.5
HOLD_SECONDS = 2 * INTERVAL_SECONDS + 1
NS = 1_000_000_000
START_NS = 1_000 * NS
HOLD_NS = int(HOLD_SECONDS * NS)


def snapshot(*born_ns: int, shown_until_ns: int = 0) -> SeriesSnapshot:
    rows: list[SeriesRow] = [("requests", f'["a{at}"]', 1, 0, at) for at in born_ns]
    return SeriesSnapshot(
        series=rows, open_calls=[], agents=frozenset(), shown_until_ns=shown_until_ns
    )


def hold(since_ns: int = START_NS) -> BirthHold:
    return BirthHold(scrape_interval_seconds=INTERVAL_SECONDS, since_ns=since_ns)


@pytest.mark.parametrize("since_ns", [0, START_NS])
def test_a_series_is_shown_two_intervals_and_a_bit_after_its_birth(since_ns: int) -> None:
    held = hold(since_ns)
    young = snapshot(START_NS)

    assert held.newly_shown_until_ns(young, START_NS + HOLD_NS - 1) is None
    assert held.newly_shown_until_ns(young, START_NS + HOLD_NS) == START_NS


def test_a_series_from_before_the_start_stands_at_zero_as_long() -> None:
    restarted = hold(since_ns=START_NS)
    unseen = snapshot(START_NS - 100 * NS)

    assert restarted.newly_shown_until_ns(unseen, START_NS) is None
    assert restarted.newly_shown_until_ns(unseen, START_NS + HOLD_NS - 1) is None
    assert restarted.newly_shown_until_ns(unseen, START_NS + HOLD_NS) == START_NS


def test_nothing_is_to_be_kept_when_no_series_is_new() -> None:
    old = snapshot(START_NS, shown_until_ns=START_NS)

    assert hold().newly_shown_until_ns(old, START_NS + 100 * NS) is None


def chat(url: str, agent: str) -> None:
    """One call of an agent."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": "Bearer sk-test", "x-agent-id": agent}
    assert Client(url).post("/openai/v1/chat/completions", body, headers).status == 200


def shown(url: str) -> dict[str, float]:
    """Calls by agent, as one scrape shows them."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        text = response.read().decode()
    return {
        sample.labels["agent_id"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "llm_requests_total"
    }


def test_a_series_that_nobody_saw_before_a_crash_is_born_again(tmp_path: Path) -> None:
    """However long the restart takes; and one that was seen does not fall back to 0."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = gateway_config(
        tmp_path, simulator.url, extra=f"scrape_interval_seconds = {INTERVAL_SECONDS}"
    )
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        chat(gateway.url, "team.seen")
        wait_until(lambda: shown(gateway.url)["team.seen"] == 1)
        chat(gateway.url, "team.unseen")
        gateway.kill()
        ((born_ns,),) = query(tmp_path / "ledger.db", "SELECT max(born_at_ns) FROM series")
        assert isinstance(born_ns, int)
        wait_until(lambda: time.time_ns() > born_ns + HOLD_NS)
        gateway.start()

        assert shown(gateway.url) == {"team.seen": 1, "team.unseen": 0}
        wait_until(lambda: shown(gateway.url) == {"team.seen": 1, "team.unseen": 1})
    finally:
        gateway.kill()
        simulator.kill()
