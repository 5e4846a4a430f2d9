"""``modelmeter budget``: set, listed, shown, removed; wrong words are told."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError


def run(folder: Path, *arguments: str) -> str:
    """What a subcommand prints."""
    result = CliRunner().invoke(
        app, ["budget", *arguments, "--ledger", str(folder / "ledger.db")], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_a_budget_is_set_listed_shown_and_removed(tmp_path: Path) -> None:
    words = "set meetmind-daily --team meetmind --window day --time-zone Europe/Stockholm"
    said = run(tmp_path, *words.split(), "--limit", "50", "--at-limit", "block")

    assert "meetmind-daily is set" in said
    (listed,) = json.loads(run(tmp_path, "list", "--json"))
    assert listed["scope"] == {"team": "meetmind"}
    assert (listed["limit"], listed["remaining"], listed["source"]) == ("50", "50", "command")
    shown = json.loads(run(tmp_path, "show", "meetmind-daily", "--json"))
    assert shown == listed
    assert "At the limit: block" in run(tmp_path, "show", "meetmind-daily")
    run(tmp_path, "remove", "meetmind-daily")
    assert json.loads(run(tmp_path, "list", "--json")) == []
    assert "modelmeter budget set" in run(tmp_path, "list")


def test_a_window_is_called_by_its_length(tmp_path: Path) -> None:
    for window, called in (("hour", "An hour window from"), ("week", "A week window from")):
        run(tmp_path, "set", window, "--window", window, "--limit", "5")

        assert called in run(tmp_path, "show", window)


def test_every_field_can_be_given(tmp_path: Path) -> None:
    words = (
        "set all --tenant acme --agent meetmind.* --provider openai --model gpt-4o --window rolling"
        " --seconds 3600 --limit-tokens 1000 --threshold 90 --threshold 10 --at-limit downgrade"
        " --downgrade gpt-4o=gpt-4o-mini --shadow --extra 500"
        " --extra-until 2099-01-01T00:00:00+01:00"
    )
    run(tmp_path, *words.split())

    shown = json.loads(run(tmp_path, "show", "all", "--json"))
    assert shown["scope"] == {
        "tenant": "acme",
        "agent": "meetmind.*",
        "provider": "openai",
        "model": "gpt-4o",
    }
    assert (shown["unit"], shown["limit"], shown["extra"]) == ("tokens", "1500", "500")
    assert (shown["window_seconds"], shown["resets_at"]) == (3600, None)
    assert (shown["thresholds"], shown["shadow"]) == ([10, 90], True)
    assert shown["downgrade"] == {"gpt-4o": "gpt-4o-mini"}
    assert "gpt-4o-mini for gpt-4o" in run(tmp_path, "show", "all")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("set x --limit 5 --model gpt-99", "--model: 'gpt-99' is a model that no provider"),
        ("set x --limit 5 --provider opnai", "--provider: 'opnai' is no configured provider"),
        ("set x --limit 5 --key abcd", "--key: 'abcd' is the id of no"),
        ("set x --limit five", "--limit: "),
        ("set x --limit 5 --window dya", "--window: "),
        ("set x --limit 5 --threshold 0", "--threshold: "),
        ("set x --limit 5 --time-zone Mars/A", "--time-zone: give an IANA"),
        ("set x --limit 5 --extra 5 --extra-until tomorrow", "--extra-until: "),
        ("set x", "give exactly one of --limit, --limit-tokens and --limit-calls"),
        ("set x --limit 5 --seconds 9", "--seconds is the length of --window rolling, and of no"),
        ("set x --limit 5 --window rolling", "--seconds is the length of --window rolling, and"),
        ("set x --limit 5 --extra 5", "--extra and --extra-until go together"),
        (
            "set x --limit-calls 5 --extra 5.5 --extra-until 2099-01-01T00:00:00+01:00",
            "--extra is a whole number of tokens or calls here",
        ),
        (
            "set x --limit 5 --at-limit downgrade",
            "--downgrade MODEL=CHEAPER goes with --at-limit downgrade",
        ),
        (
            "set x --limit 5 --extra 5 --extra-until 2026-01-01T00:00:00+01:00",
            "--extra-until: is over already",
        ),
        ("set X! --limit 5", "NAME: "),
        ("set x --limit 5 --downgrade gpt-4o", "give MODEL=CHEAPER"),
        (
            "set x --limit 5 --at-limit downgrade --downgrade gpt-4o-mini=gpt-4o",
            "--downgrade gpt-4o-mini: is 'gpt-4o', which is dearer",
        ),
        ("show x", "there is no budget 'x'"),
        ("remove x", "there is no budget 'x'"),
    ],
)
def test_a_wrong_word_is_told(tmp_path: Path, words: str, says: str) -> None:
    run(tmp_path, "set", "there", "--limit", "1")

    with pytest.raises(SettingsError) as caught:
        run(tmp_path, *words.split())

    assert says in str(caught.value)
