"""The page about prices: its configuration is one that loads."""

import re
from pathlib import Path

from modelmeter.settings.load import load_settings
from modelmeter.wiring import wrong_overrides

PAGE = Path(__file__).parents[2] / "docs" / "prices.md"


def test_the_overrides_that_the_page_shows_are_taken(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path / "modelmeter.toml"
    path.write_text(block)

    prices = load_settings(path, {}, check=wrong_overrides).prices

    assert len(prices.models) == len(prices.discounts) == 1
    assert len(prices.deployments) == len(prices.tool_fees) == 1
