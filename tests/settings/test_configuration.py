"""The configuration: what it accepts, and errors that name the place and no secret."""

from pathlib import Path

import pytest

from modelmeter.errors import SettingsError
from modelmeter.settings.load import load_settings
from modelmeter.wiring import faults_of_settings

SECRET = "sk-canary-93b1"


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "modelmeter.toml"
    path.write_text(text)
    return path


def test_without_a_file_all_providers_are_at_their_public_addresses() -> None:
    settings = load_settings(None, {})

    assert settings.address == ("127.0.0.1", 4000)
    assert sorted(settings.providers) == ["anthropic", "bedrock", "genai", "openai"]
    assert settings.providers["openai"].base_url == "https://api.openai.com/v1"


def test_a_table_changes_only_what_it_names(tmp_path: Path) -> None:
    path = write(tmp_path, '[providers.bedrock]\nregion = "eu-central-1"\n')

    provider = load_settings(path, {}).providers["bedrock"]

    assert provider.region == "eu-central-1"
    assert provider.kind == "bedrock"


def test_the_environment_stands_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'listen = "127.0.0.1:1"\n')

    settings = load_settings(
        path,
        {
            "MODELMETER_LISTEN": "127.0.0.1:2",
            "MODELMETER_PROVIDERS__OPENAI__BASE_URL": "http://127.0.0.1:9/v1/",
            "MODELMETER_LIMITS__HEADER_COUNT_MAX": "7",
            "MODELMETER_TEAMS__MEETMIND": '["meetmind.*"]',
        },
    )

    assert settings.address[1] == 2
    assert settings.providers["openai"].base_url == "http://127.0.0.1:9/v1"
    assert settings.limits.header_count_max == 7
    assert settings.teams == {"meetmind": ("meetmind.*",)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a = 1\nlisten = "127.0.0.1:1"\n', ":1: a is not a setting"),
        ("\nlistn = 1\n", ":2: listn is not a setting; did you mean 'listen'?"),
        (
            '[providers.openai]\nbase_ul = "x"\n',
            ":2: providers.openai.base_ul is not a setting; did",
        ),
        ('[providers.mine]\nbase_url = "http://x/v1"\n', ":1: providers.mine.kind is missing"),
        (
            '[providers.openai]\n\nbase_url = "ftp://x"\n',
            ":3: providers.openai.base_url give",
        ),
        ('[providers.openai]\nbase_url = "http://u:p@x"\n', "holds no credentials"),
        ('time_zone = "Mars/Olympus"\n', ":1: time_zone give an IANA time zone"),
        ("workers = 0\n", ":1: workers"),
        ("workers = 65\n", ":1: workers"),
        ("[limits]\nbody_bytes_max = 0\n", ":2: limits.body_bytes_max"),
        ('listen = "localhost"\n', ":1: listen give an address and a port"),
        ('[teams]\na = ["x.*"]\nb = ["x.*"]\n', "both claim 'x.*'"),
        ("listen = \n", "modelmeter.toml"),
    ],
)
def test_a_fault_names_its_line_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text), {})

    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.0.0.1", "gateway.example"])
def test_nobody_is_let_in_from_elsewhere_without_a_key(tmp_path: Path, host: str) -> None:
    path = write(tmp_path, f'\nlisten = "{host}:4000"\n')
    key = f'[{{"id": "abcd", "sha256": "{"0" * 64}"}}]'

    with pytest.raises(SettingsError, match=r":2: listen '.*:4000' .* needs gateway keys"):
        load_settings(path, {}, check=faults_of_settings)
    with pytest.raises(SettingsError, match=r"--listen: .* needs gateway keys"):
        load_settings(None, {}, options={"listen": f"{host}:4000"}, check=faults_of_settings)
    load_settings(path, {"MODELMETER_KEYS": key}, check=faults_of_settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost"])
def test_this_machine_needs_no_key(tmp_path: Path, host: str) -> None:
    load_settings(write(tmp_path, f'listen = "{host}:4000"\n'), {}, check=faults_of_settings)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, "one = 1\ntwo = 2\n"), {})

    assert len(str(caught.value).splitlines()) == 2


def test_a_faulty_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="MODELMETER_WORKERS: workers"):
        load_settings(None, {"MODELMETER_WORKERS": "none"})
    with pytest.raises(SettingsError, match="MODELMETER_LISTN"):
        load_settings(None, {"MODELMETER_LISTN": "x"})


def test_secrets_come_from_where_they_lie(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    by_file = write(tmp_path, '[providers.openai]\napi_key = "file:key"\n')
    assert secret_of(load_settings(by_file, {})) == SECRET

    by_variable = write(tmp_path, '[providers.openai]\napi_key = "env:KEY"\n')
    assert secret_of(load_settings(by_variable, {"KEY": SECRET})) == SECRET

    direct = {"MODELMETER_PROVIDERS__OPENAI__API_KEY": SECRET}
    assert secret_of(load_settings(None, direct)) == SECRET


def secret_of(settings: object) -> str:
    """The key of OpenAI, and a look that it shows nowhere."""
    from modelmeter.settings.model import Settings

    assert isinstance(settings, Settings)
    assert SECRET not in repr(settings)
    key = settings.providers["openai"].api_key
    assert key is not None
    return key.get_secret_value()


@pytest.mark.parametrize("reference", ["env:MISSING", "file:missing", "file:open", SECRET])
def test_a_secret_that_cannot_be_had_is_told_without_its_text(
    tmp_path: Path, reference: str
) -> None:
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    path = write(tmp_path, f'[providers.openai]\napi_key = "{reference}"\n')

    with pytest.raises(SettingsError, match=r":2: providers\.openai\.api_key") as caught:
        load_settings(path, {})

    assert SECRET not in str(caught.value)


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    key = f'[[keys]]\nid = "abcd"\nsha256 = "{"0" * 64}"\n'

    with pytest.raises(SettingsError, match="two keys have the id 'abcd'"):
        load_settings(write(tmp_path, key + key), {})


def test_the_line_of_a_fault_in_an_array_of_tables_is_right(tmp_path: Path) -> None:
    good = f'[[keys]]\nid = "abcd"\nsha256 = "{"0" * 64}"\n'
    bad = f'[[keys]]\nid = "efgh"\nsha = "{"0" * 64}"\n'

    with pytest.raises(SettingsError, match=r":6: keys\.1\.sha is not a setting"):
        load_settings(write(tmp_path, good + bad), {})
