"""Which calls caching is configured for, and what the configuration may say."""

from pathlib import Path

import pytest

from modelmeter.cache.policy import CachePlan, CachePolicy
from modelmeter.errors import SettingsError
from modelmeter.providers.temperature import DEFAULT_TEMPERATURE, request_temperature
from modelmeter.record import Operation
from modelmeter.settings.load import load_settings

RULES = """
[cache]
enabled = true
ttl_seconds = 600
temperature_max = 0.5

[[cache.rules]]
agent = "meetmind.clock"
enabled = false

[[cache.rules]]
agent = "meetmind.*"
model = "gpt-4o*"
operation = "chat"
ttl_seconds = 60
temperature_max = 1

[[cache.rules]]
operation = "embeddings"
ttl_seconds = 86400
answer_bytes_max = 4096

[[cache.rules]]
agent = "*.live"
ttl_seconds = 0
"""


USUAL_BYTES = 2 * 1024 * 1024


def policy_of(folder: Path, text: str) -> CachePolicy:
    """The policy of a configuration."""
    path = folder / "modelmeter.toml"
    path.write_text(text)
    return CachePolicy(load_settings(path, {}).cache)


@pytest.mark.parametrize(
    ("agent", "model", "operation", "plan"),
    [
        ("meetmind.clock", "gpt-4o", Operation.CHAT, None),
        ("meetmind.a", "gpt-4o-mini", Operation.CHAT, CachePlan(60, 1, USUAL_BYTES)),
        ("meetmind.a", "gpt-4", Operation.CHAT, CachePlan(600, 0.5, USUAL_BYTES)),
        ("meetmind.a", "gpt-4o", Operation.EMBEDDINGS, CachePlan(86400, 0.5, 4096)),
        ("sales.live", "gpt-4o", Operation.CHAT, None),
        ("sales.a", "gpt-4o", Operation.CHAT, CachePlan(600, 0.5, USUAL_BYTES)),
    ],
)
def test_the_first_rule_that_fits_holds(
    tmp_path: Path, agent: str, model: str, operation: Operation, plan: CachePlan | None
) -> None:
    policy = policy_of(tmp_path, RULES)

    assert policy.plan(agent, model, operation) == plan
    assert policy.plan(agent, model, operation) == plan


def test_without_a_configuration_nothing_is_cached(tmp_path: Path) -> None:
    assert policy_of(tmp_path, "").plan("a", "m", Operation.CHAT) is None


def test_no_rule_turns_on_what_the_table_turns_off(tmp_path: Path) -> None:
    text = "[cache]\nenabled = false\n[[cache.rules]]\nenabled = true\n"

    assert policy_of(tmp_path, text).plan("a", "m", Operation.CHAT) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[cache]\nttl_second = 5\n",
            ":2: cache.ttl_second is not a setting; did you mean 'ttl_seconds'?",
        ),
        ("[cache]\nttl_seconds = -1\n", ":2: cache.ttl_seconds"),
        ('[cache]\nstore = "memcached://h"\n', ":2: cache.store give"),
        ('[cache]\nstore = "redis://:canary-93@h"\n', ":2: cache.store a URL with a password"),
        ('[cache]\nstore = "redis://u:canary-93@h"\n', ":2: cache.store a URL with a password"),
        ('[cache]\nstore = "env:REDIS_URL"\n', "the environment variable REDIS_URL is not set"),
        ("[cache]\nbytes_max = 2048\n", ":1: cache answer_bytes_max is larger than bytes_max"),
        ("[cache]\n[[cache.rules]]\nagents = 1\n", ":3: cache.rules.0.agents is not a setting"),
    ],
)
def test_a_wrong_table_is_told_with_its_line_and_no_secret(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        policy_of(tmp_path, text)

    assert says in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("store", ["env:REDIS_URL", "file:redis-url"])
def test_a_store_with_a_password_is_given_by_reference(tmp_path: Path, store: str) -> None:
    url = "rediss://modelmeter:canary-93@cache.example:6379/0"
    secret = tmp_path / "redis-url"
    secret.write_text(url)
    secret.chmod(0o600)
    path = tmp_path / "modelmeter.toml"
    path.write_text(f'[cache]\nenabled = true\nstore = "{store}"\n')

    settings = load_settings(path, {"REDIS_URL": url})

    assert settings.cache.store.get_secret_value() == url
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    ("body", "temperature"),
    [
        (b'{"temperature":0}', 0.0),
        (b'{"temperature":0.7,"messages":[]}', 0.7),
        (b'{"inferenceConfig":{"temperature":0.2}}', 0.2),
        (b'{"generationConfig":{"temperature":1.5}}', 1.5),
        (b'{"generation_config":{"temperature":1.5}}', 1.5),
        (b'{"textGenerationConfig":{"temperature":0.1}}', 0.1),
        (b'{"temperature":0,"inferenceConfig":{"temperature":0.9}}', 0.9),
        (b"{}", DEFAULT_TEMPERATURE),
        (b'{"temperature":null}', DEFAULT_TEMPERATURE),
        (b'{"temperature":"0"}', DEFAULT_TEMPERATURE),
        (b"no json", DEFAULT_TEMPERATURE),
    ],
)
def test_a_temperature_is_found_where_each_dialect_puts_it(body: bytes, temperature: float) -> None:
    assert request_temperature(body) == temperature
