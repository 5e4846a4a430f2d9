"""The runbooks and the dashboard's README name metrics, panels, commands and pages that exist."""

import re
import shlex
from pathlib import Path

import pytest
from known_metrics import KNOWN, family
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.dashboards.more_panels import MORE_PANELS
from modelmeter.metrics.panels import PANELS
from modelmeter.settings.limits import Limits

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs/runbooks").glob("*.md")),
    ROOT / "src/modelmeter/dashboards/README.md",
    ROOT / "deploy/README.md",
]
TITLES = {panel.title for panel in (*PANELS, *MORE_PANELS)}


def spans(page: Path) -> list[str]:
    """What stands in a page as code, within lines."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_metrics_exist(page: Path) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"(llm|modelmeter)_[a-z_]+", span)}

    assert {family(name) for name in named} <= set(KNOWN)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_panels_exist(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"[Pp]anels? \*\*([^*]+)\*\*", text))
    named |= set(re.findall(r"\*\*([^*]+)\*\* (?:with|over|at|and \*\*)", text)) & TITLES

    assert named <= TITLES


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist_with_their_options(page: Path) -> None:
    for span in spans(page):
        if not span.startswith("modelmeter "):
            continue
        # Options are parsed before any help is shown, so that an unknown one is still an error.
        arguments = shlex.split(span.removeprefix("modelmeter "))
        result = CliRunner().invoke(app, [*arguments, "--help"])

        assert result.exit_code == 0, (span, result.output)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_limits_exist(page: Path) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"(?!llm_)[a-z_]+_(max|seconds)", span)}

    assert named - {"scrape_interval_seconds"} <= set(Limits.model_fields)


def test_the_pages_name_some_of_each() -> None:
    """What finds nothing to check would not fail."""
    words = [span for page in PAGES for span in spans(page)]

    assert "shutdown_drain_seconds" in words
    assert any(word.startswith("modelmeter reprice") for word in words)
    assert "llm_cache_evictions_total" in words
