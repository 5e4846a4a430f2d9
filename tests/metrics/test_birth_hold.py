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


class HandClock:
    """Two clocks that a test moves; the wall's may jump."""

    def __init__(self) -> None:
        self.wall_ns = START_NS
        self.elapsed_ns = 0

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.elapsed_ns

    def go_on(self, ns: int) -> None:
        self.wall_ns += ns
        self.elapsed_ns += ns


@pytest.fixture(name="clock")
def hand_clock() -> HandClock:
    return HandClock()


def hold(clock: HandClock) -> BirthHold:
    """Of a process that starts now."""
    return BirthHold(clock, scrape_interval_seconds=INTERVAL_SECONDS)


@pytest.mark.parametrize("up_ns", [0, 500 * NS])
def test_a_series_is_shown_two_intervals_and_a_bit_after_its_birth(
    clock: HandClock, up_ns: int
) -> None:
    held = hold(clock)
    clock.go_on(up_ns)
    born_ns = clock.wall_ns
    young = snapshot(born_ns)

    clock.go_on(HOLD_NS - 1)
    assert held.newly_shown_until_ns(young) is None
    clock.go_on(1)
    assert held.newly_shown_until_ns(young) == born_ns


def test_a_series_from_before_the_start_stands_at_zero_as_long(clock: HandClock) -> None:
    restarted = hold(clock)
    unseen = snapshot(START_NS - 100 * NS)

    assert restarted.newly_shown_until_ns(unseen) is None
    clock.go_on(HOLD_NS - 1)
    assert restarted.newly_shown_until_ns(unseen) is None
    clock.go_on(1)
    assert restarted.newly_shown_until_ns(unseen) == START_NS


@pytest.mark.parametrize("jump_ns", [-90 * NS, 3600 * NS])
def test_a_wall_clock_that_is_set_right_after_the_start_changes_nothing(
    clock: HandClock, jump_ns: int
) -> None:
    """Set back, it would keep series at 0 for that long; set forward, show them unseen."""
    restarted = hold(clock)
    unseen = snapshot(START_NS - 100 * NS)
    clock.wall_ns += jump_ns

    clock.go_on(HOLD_NS - 1)
    assert restarted.newly_shown_until_ns(unseen) is None
    clock.go_on(1)
    assert restarted.newly_shown_until_ns(unseen) == START_NS + jump_ns


def test_nothing_is_to_be_kept_when_no_series_is_new(clock: HandClock) -> None:
    old = snapshot(START_NS, shown_until_ns=START_NS)
    held = hold(clock)
    clock.go_on(100 * NS)

    assert held.newly_shown_until_ns(old) is None


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
