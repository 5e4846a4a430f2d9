"""A simulator, and the environment in which a process' SDKs call it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import SimulatorProcess

from modelmeter.in_process import close_in_process

__all__ = ["call_simulator", "ledger_fixture", "simulator_fixture"]


@pytest.fixture(scope="module", name="simulator")
def simulator_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulator for a module's tests."""
    simulator = SimulatorProcess(tmp_path_factory.mktemp("simulator"))
    simulator.start()
    try:
        yield simulator.url
    finally:
        simulator.kill()


@pytest.fixture(name="ledger")
def ledger_fixture(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where a process of the test's own, which calls the simulator, enters its calls."""
    ledger = tmp_path / "ledger.db"
    call_simulator(monkeypatch, simulator, LEDGER=str(ledger))
    return ledger


def call_simulator(environment: pytest.MonkeyPatch, url: str, **settings: str) -> None:
    """Have this process call the simulator, with ``MODELMETER_…`` settings besides."""
    variables = {
        "MODELMETER_PROVIDERS__OPENAI__BASE_URL": f"{url}/openai/v1",
        "MODELMETER_PROVIDERS__ANTHROPIC__BASE_URL": f"{url}/anthropic",
        "MODELMETER_PROVIDERS__GENAI__BASE_URL": f"{url}/genai",
        "MODELMETER_PROVIDERS__BEDROCK__BASE_URL": f"{url}/bedrock",
        "OPENAI_API_KEY": "sk-simulated",
        "ANTHROPIC_API_KEY": "sk-ant-simulated",
        "GOOGLE_API_KEY": "simulated",
        "AWS_ACCESS_KEY_ID": "AKIDSIMULATED",
        "AWS_SECRET_ACCESS_KEY": "simulated-secret",
        **{f"MODELMETER_{name}": value for name, value in settings.items()},
    }
    for name, value in variables.items():
        environment.setenv(name, value)
    close_in_process()
