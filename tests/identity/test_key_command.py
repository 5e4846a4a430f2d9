"""``modelmeter key new``: what it prints is a configuration in which its key is valid."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import ModelmeterError, RefusedRequestError
from modelmeter.gateway.identity import Identity
from modelmeter.settings.load import load_settings


def key_new(*options: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, ["key", "new", *options])
    assert result.exit_code == 0, result.output
    return result.output


def printed_key(text: str) -> str:
    """The key itself."""
    (line,) = [line for line in text.splitlines() if "mm-" in line]
    return line.split()[-1]


def identity_of(tmp_path: Path, text: str) -> Identity:
    """Callers by the configuration that was printed."""
    path = tmp_path / "modelmeter.toml"
    path.write_text(text)
    return Identity(load_settings(path, {}))


def test_the_key_is_valid_in_the_configuration_printed_with_it(tmp_path: Path) -> None:
    text = key_new("--tenant", "acme", "--team", "mind", "--agents", "meetmind.*", "--agents", "x")
    key = printed_key(text)
    now = datetime.now(UTC)
    headers = [(b"authorization", b"Bearer " + key.encode()), (b"x-agent-id", b"meetmind.notes")]

    identity = identity_of(tmp_path, text)

    caller = identity.identify(headers, now)
    assert (caller.tenant_id, caller.team, caller.agent_id) == ("acme", "mind", "meetmind.notes")
    with pytest.raises(RefusedRequestError):
        identity.identify([headers[0], (b"x-agent-id", b"other")], now)


def test_only_the_hash_is_for_the_configuration() -> None:
    result = CliRunner().invoke(app, ["key", "new"])
    key = printed_key(result.stderr)

    assert f'sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"' in result.stdout.splitlines()
    assert key not in result.stdout
    assert key != printed_key(key_new())
    assert len(key.split("-", 2)[2]) >= 43  # 256 bits in base64


def test_a_key_ends_when_it_was_said_to(tmp_path: Path) -> None:
    text = key_new("--expires-days", "2")
    headers = [(b"x-modelmeter-key", printed_key(text).encode())]
    identity = identity_of(tmp_path, text)
    now = datetime.now(UTC)

    assert identity.identify(headers, now + timedelta(days=1)).key_id
    for later in (now + timedelta(days=2), now + timedelta(days=3)):
        with pytest.raises(RefusedRequestError):
            identity.identify(headers, later)


def test_programs_get_json() -> None:
    printed = json.loads(key_new("--json", "--scope", "read", "--scope", "call"))

    assert printed["entry"]["scopes"] == ["read", "call"]
    digest = hashlib.sha256(printed["key"].encode()).hexdigest()
    assert printed["entry"]["sha256"] == digest


@pytest.mark.parametrize("options", [("--scope", "admin"), ("--tenant", "x" * 200)])
def test_a_key_that_no_configuration_takes_is_refused(options: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["key", "new", *options])

    assert isinstance(result.exception, ModelmeterError)
    assert "mm-" not in result.output
