"""Equal seeds give equal answers, and a seed is all that chance depends on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_client import Client, client_fixture, run_simulator, simulator_fixture

from modelmeter.record import Operation
from modelmeter.simulator.agents import demo_agents
from modelmeter.simulator.directive import NOTHING_ASKED
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Ask, FaultError
from modelmeter.simulator.plan import plan_answer
from modelmeter.simulator.sdk_requests import draw_prompt, sdk_request
from modelmeter.simulator.settings import PROVIDERS, SimulatorSettings
from modelmeter.simulator.words import Ids, vector, word_pieces

_FIXTURES = (
    client_fixture,
    simulator_fixture,
)

VARIES = re.compile(rb'"(id|created|created_at|call_id|item_id|signature|responseId)": ?"?[\w-]+"?')


def answers(url: str) -> list[bytes]:
    client = Client(url)
    found = []
    for index, agent in enumerate(demo_agents()):
        request = sdk_request(agent, draw_prompt(agent, seeded_random(index)), "sk-test")
        reply = client.post(request.path, request.body, dict(request.headers))
        assert reply.status == 200
        if "eventstream" not in reply.headers["content-type"]:
            found.append(VARIES.sub(b"", reply.body))
    return found


def test_answers_follow_from_the_seed_and_the_body() -> None:
    with run_simulator(SimulatorSettings(seed=1)) as one:
        first, again = answers(one.url), answers(one.url)
    with run_simulator(SimulatorSettings(seed=1)) as same:
        repeated = answers(same.url)
    with run_simulator(SimulatorSettings(seed=2)) as other:
        different = answers(other.url)

    assert first == again == repeated
    assert first != different


def test_ids_are_never_repeated(client: Client) -> None:
    ids = {client.chat("output=1").json()["id"] for _ in range(20)}

    assert len(ids) == 20


def plan(seed: int, body: bytes, rate: float = 0.0, speed: float = 0.0) -> object:
    settings = SimulatorSettings(
        seed=seed, speed=speed, failure_rates=dict.fromkeys(PROVIDERS, rate)
    )
    ask = Ask(Operation.CHAT, "gpt-4o", input_tokens=2000)
    try:
        answer = plan_answer(settings, "openai", ask, NOTHING_ASKED, body, Ids(seed, 1), 0)
    except FaultError as error:
        return error.fault
    return (answer.pieces, answer.tokens, answer.first_token_seconds, answer.token_seconds)


@given(st.integers(0, 1000), st.binary())
def test_plan_is_pure(seed: int, body: bytes) -> None:
    assert plan(seed, body, 0.5, 1.0) == plan(seed, body, 0.5, 1.0)


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_failures_come_at_the_rate_that_is_set(rate: float) -> None:
    failures = [plan(3, str(index).encode(), rate) for index in range(1000)]

    share = sum(not isinstance(failure, tuple) for failure in failures) / 1000
    assert share == pytest.approx(rate, abs=0.05 if 0 < rate < 1 else 0)


def test_realistic_speed_is_within_its_bounds() -> None:
    for index in range(200):
        planned = plan(3, str(index).encode(), speed=1.0)
        assert isinstance(planned, tuple)
        _, _, first_token_seconds, token_seconds = planned
        assert 0.15 <= first_token_seconds <= 0.9
        assert 20 <= 1 / token_seconds <= 90


@pytest.mark.parametrize(
    ("speed", "rates"), [(-1.0, {}), (0.0, {"openai": 1.5}), (0.0, {"nobody": 0.5})]
)
def test_settings_that_cannot_be_are_refused(speed: float, rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"speed|failure"):
        SimulatorSettings(speed=speed, failure_rates=rates)


@given(st.integers(0, 10_000), st.integers(0, 20_000))
def test_text_has_as_many_pieces_as_asked(seed: int, count: int) -> None:
    pieces = word_pieces(seeded_random(seed), count)

    assert len(pieces) == count
    assert all(pieces)


@given(st.integers(0, 10_000), st.integers(1, 4_096))
def test_vectors_have_length_one(seed: int, dimensions: int) -> None:
    values = vector(seeded_random(seed), dimensions)

    assert len(values) == dimensions
    assert sum(value * value for value in values) == pytest.approx(1, abs=1e-3)
