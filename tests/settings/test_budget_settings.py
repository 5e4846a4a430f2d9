"""The tables of budgets: what they accept, and errors that name the line."""

from decimal import Decimal
from pathlib import Path

import pytest

from modelmeter.errors import SettingsError
from modelmeter.settings.load import load_settings
from modelmeter.wiring import faults_of_settings

WHOLE = """\
[[budgets]]
name = "meetmind-daily"
team = "meetmind"
window = "day"
limit_usd = "50.00"
at_limit = "downgrade"
downgrade = { "gpt-4o" = "gpt-4o-mini" }
extra = "20"
extra_until = 2026-12-01T00:00:00+01:00

[[budgets]]
name = "all"
window = "rolling"
seconds = 3600
limit_tokens = 1000000
thresholds = [90]
at_limit = "alert"
shadow = true
"""


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "modelmeter.toml"
    path.write_text(text)
    return path


def test_budgets_are_read_as_they_are_written(tmp_path: Path) -> None:
    first, second = load_settings(write(tmp_path, WHOLE), {}).budgets

    assert (first.limit_usd, first.thresholds) == (Decimal("50.00"), (50, 80, 100))
    assert first.downgrade == {"gpt-4o": "gpt-4o-mini"}
    assert (second.seconds, second.limit_tokens, second.shadow) == (3600, 1_000_000, True)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('team = "meetmind"', 'teem = "meetmind"', ":3: budgets.0.teem is not a setting; did"),
        ('team = "meetmind"', 'provider = "opnai"', ":3: budgets.0.provider 'opnai' is no"),
        ('team = "meetmind"', 'key = "abcd1234"', ":3: budgets.0.key 'abcd1234' is the id of no"),
        ('team = "meetmind"', 'agent = "a*b"', ":3: budgets.0.agent a * may only"),
        ('team = "meetmind"', 'team = "a*"', ":3: budgets.0.team give one whole name"),
        ('window = "day"', 'window = "dya"', ":4: budgets.0.window"),
        ('window = "day"', 'window = "rolling"', ":1: budgets.0 seconds is the length"),
        ('limit_usd = "50.00"', 'limit_usd = "-1"', ":5: budgets.0.limit_usd"),
        ('limit_usd = "50.00"', 'limit_usd = "NaN"', ":5: budgets.0.limit_usd"),
        ('limit_usd = "50.00"', "limit_calls = 0", ":5: budgets.0.limit_calls"),
        ('limit_usd = "50.00"', "", ":1: budgets.0 give exactly one of limit_usd"),
        ('limit_usd = "50.00"', 'limit_usd = "5"\nlimit_calls = 7', ":1: budgets.0 give exactly"),
        ('limit_usd = "50.00"', 'limit_usd = "5"\ntime_zone = "Mars/A"', ":6: budgets.0.time_zone"),
        ('"gpt-4o-mini"', '"gpt-4o"', ":1: budgets.0 'gpt-4o' is downgraded to and from"),
        ('at_limit = "downgrade"', "", ":1: budgets.0 downgrade ="),
        ('extra = "20"', "", ":1: budgets.0 extra and extra_until"),
        ("+01:00", "", ":9: budgets.0.extra_until"),
        ('name = "all"', 'name = "meetmind-daily"', ":12: budgets.1.name 'meetmind-daily' is"),
        ("thresholds = [90]", "thresholds = [0]", ":16: budgets.1.thresholds"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE

    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, WHOLE.replace(old, new, 1)), {})

    assert says in str(caught.value)


def downgrading(model: str, cheaper: str, provider: str = "openai") -> str:
    """A configuration with a downgrade, and with an upstream whose prices nobody knows."""
    return (
        '[providers.box]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
        '[[budgets]]\nname = "a"\nwindow = "day"\nlimit_usd = "5"\n'
        f'provider = "{provider}"\nat_limit = "downgrade"\n'
        f'downgrade = {{ "{model}" = "{cheaper}" }}\n'
    )


CEILING = '[prices]\nunknown_models = "ceiling"\n[prices.ceiling]\ninput = "20"\noutput = "100"\n'


@pytest.mark.parametrize(
    ("model", "dearer"),
    [("gpt-4o-mini", "gpt-4o"), ("gpt-4.1-mini", "gpt-4.1"), ("gpt-4o", "o1")],
)
def test_a_downgrade_to_a_dearer_model_is_refused_with_its_line(
    tmp_path: Path, model: str, dearer: str
) -> None:
    with pytest.raises(SettingsError, match=rf":10: budgets\.0\.downgrade.* '{dearer}', which"):
        load_settings(write(tmp_path, downgrading(model, dearer)), {}, check=faults_of_settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (downgrading("gpt-4o", "gpt-4o-mini"), ""),
        (downgrading("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"), ""),
        (CEILING + downgrading("claude-3-opus", "claude-haiku-4-5", provider="bedrock"), "nobody"),
        (downgrading("big", "small", provider="box"), "nobody here has a price for both"),
        (downgrading("gpt-3.5-turbo", "gpt-5-mini"), "but not for its output"),
    ],
)
def test_a_downgrade_that_may_save_nothing_is_told_and_taken(
    tmp_path: Path, text: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    load_settings(write(tmp_path, text), {}, check=faults_of_settings)

    assert says in caplog.text
    assert bool(caplog.text) == bool(says)


def test_another_parts_check_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r":15: budgets\.1\.limit_tokens is too many"):
        load_settings(
            write(tmp_path, WHOLE),
            {},
            check=lambda settings: [(("budgets", 1, "limit_tokens"), "is too many")],
        )
