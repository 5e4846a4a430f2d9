"""``[[throttles]]``: what is wrong is told with its line."""

from pathlib import Path

import pytest

from modelmeter.errors import SettingsError
from modelmeter.settings.load import load_settings


def load(folder: Path, *lines: str) -> object:
    """The throttles of a configuration whose table begins in its first line."""
    path = folder / "modelmeter.toml"
    path.write_text("\n".join(["[[throttles]]", *lines, ""]))
    return load_settings(path, {}).throttles


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (['name = "a"'], ":1: .*give at least one of calls_per_minute"),
        (["calls_per_minute = 1"], ":1: .*name is missing"),
        (
            ['name = "a"', "calls_per_minut = 1"],
            ":3: .*not a setting; did you mean 'calls_per_minute'",
        ),
        (['name = "a"', "calls_per_minute = 0"], ":3: .*greater than or equal to 1"),
        (['name = "a"', "concurrent_calls = 1", "queue_seconds = 121"], ":4: .*less than or equal"),
        (
            ['name = "a"', "concurrent_calls = 1", 'provider = "nobody"'],
            ":4: .*'nobody' is no configured provider",
        ),
        (['name = "a"', "concurrent_calls = 1", 'team = "meet*"'], ":4: .*give one whole name"),
        (
            ['name = "a"', "concurrent_calls = 1", "[[throttles]]", 'name = "a"', "queue_max = 1"],
            ":4: .*give at least one of calls_per_minute",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[str], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        load(tmp_path, *lines)


def test_two_of_a_name_are_refused(tmp_path: Path) -> None:
    one = ('name = "a"', "concurrent_calls = 1")

    with pytest.raises(SettingsError, match=r":5: .*'a' is the name of two throttles"):
        load(tmp_path, *one, "[[throttles]]", *one)


def test_a_throttle_takes_every_scope_and_limit(tmp_path: Path) -> None:
    scopes = ("tenant", "team", "agent", "model")
    lines = [f'{scope} = "x"' for scope in scopes]
    limits = ["calls_per_minute = 1", "tokens_per_minute = 2", "concurrent_calls = 3"]
    waits = ["queue_seconds = 0.5", "queue_max = 7"]

    assert load(tmp_path, 'name = "a"', 'provider = "openai"', *lines, *limits, *waits)
