"""A gateway takes a newer catalogue of prices up while it runs, and keeps a good one."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_file import query
from running import GatewayProcess, SimulatorProcess, gateway_config

from modelmeter.pricing.catalogue_file import bundled_catalogue, write_catalogue

WAIT_SECONDS = 60.0
MODEL = "gpt-4o-2024-08-06"
BUDGET = """
[[budgets]]
name = "all"
window = "month"
limit_usd = "5"
at_limit = "block"
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    write_catalogue(tmp_path / "prices.json", bundled_catalogue(), datetime.now(UTC))
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = gateway_config(tmp_path, simulator.url)
    prices = f'\n[prices]\ncatalogue = "{tmp_path / "prices.json"}"\n'
    config.write_text(config.read_text() + prices + BUDGET)
    process = GatewayProcess(config)
    try:
        process.start()
        yield process
        assert process.stop() == 0
    finally:
        process.kill()
        simulator.kill()


def update(folder: Path, usd: str) -> None:
    """`modelmeter prices update` from a file in which the model's input costs ``usd``."""
    content = json.loads((folder / "prices.json").read_bytes())
    for provider in content["providers"]:
        for model in provider["models"]:
            if (provider["id"], model["id"]) == ("openai", "gpt-4o"):
                model["prices"]["input_mtok"] = usd
    (folder / f"published-{usd}.json").write_text(json.dumps(content["providers"]))
    command = [sys.executable, "-m", "modelmeter", "prices", "update"]
    file, config = folder / f"published-{usd}.json", folder / "gateway.toml"
    subprocess.run([*command, file, "--config", config], check=True, capture_output=True)


def call(gateway: GatewayProcess) -> tuple[int, object]:
    """The status of a call, and the code of its error."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 5,
    }
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    url = f"{gateway.url}/openai/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["code"]


def input_prices(ledger: Path) -> list[float]:
    """USD a million tokens of input, of the entries that were priced, in their order."""
    rows = query(
        ledger,
        "SELECT text FROM entry JOIN rate_card ON rate_card.id = entry.rate_card"
        " WHERE status = 'success' ORDER BY seq",
    )
    cards = [json.loads(str(text)) for (text,) in rows]
    return [card["bands"][0]["prices"]["input"] / card.get("scale", 1) / 10**6 for card in cards]


def wait_for(gateway: GatewayProcess, source: str, fallback: int) -> None:
    """Until the metrics tell this catalogue and whether it stands in."""
    wanted = re.compile(
        rf'^modelmeter_price_catalogue_fallback{{.*source="{re.escape(source)}".*}} {fallback}',
        re.MULTILINE,
    )
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        if wanted.search(text):
            return
        assert time.monotonic() < deadline, text
        time.sleep(0.1)


def test_a_gateway_prices_and_bounds_by_a_newer_catalogue_and_keeps_it_when_the_file_breaks(
    gateway: GatewayProcess,
) -> None:
    folder = gateway.log.parent
    catalogue, ledger = folder / "prices.json", folder / "ledger.db"
    assert call(gateway) == (200, None)

    update(folder, "7")
    wait_for(gateway, "file published-7.json", 0)
    assert call(gateway) == (200, None)

    good = catalogue.read_bytes()
    catalogue.write_text('{"providers": [')
    wait_for(gateway, "file published-7.json", 1)
    assert call(gateway) == (200, None)
    assert input_prices(ledger) == [2.5, 7, 7]

    catalogue.write_bytes(good)
    wait_for(gateway, "file published-7.json", 0)
    # A bound is made of today's prices too: at these the call no longer fits into its budget.
    update(folder, "900000")
    wait_for(gateway, "file published-900000.json", 0)
    assert call(gateway) == (429, "budget_exceeded")
    assert input_prices(ledger) == [2.5, 7, 7]
