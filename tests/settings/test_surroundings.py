"""What the environment says in other programs' words, under what the configuration says."""

from pathlib import Path

import pytest

from modelmeter.errors import SettingsError
from modelmeter.settings.load import load_settings
from modelmeter.settings.model import Settings
from modelmeter.settings.surroundings import with_surroundings

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-openai",
    "ANTHROPIC_API_KEY": "sk-ant",
    "GOOGLE_API_KEY": "google",
    "AWS_REGION": "eu-north-1",
    "ELASTICACHE_CLUSTER": "cache.internal:6379",
    "ELASTICACHE_TTL": "600",
}


def secret(settings: Settings, provider: str) -> str | None:
    key = settings.providers[provider].api_key
    return None if key is None else key.get_secret_value()


def test_the_sdks_own_variables_are_read() -> None:
    """Keys, AWS's region, and the platform's cache."""
    settings = with_surroundings(Settings(), ENVIRONMENT)

    assert secret(settings, "openai") == "sk-openai"
    assert secret(settings, "anthropic") == "sk-ant"
    assert secret(settings, "genai") == "google"
    bedrock = settings.providers["bedrock"]
    assert bedrock.region == "eu-north-1"
    assert bedrock.base_url == "https://bedrock-runtime.eu-north-1.amazonaws.com"
    assert settings.cache.enabled
    assert settings.cache.store.get_secret_value() == "redis://cache.internal:6379"
    assert settings.cache.ttl_seconds == 600


def test_nothing_is_changed_without_them() -> None:
    """An empty variable says nothing."""
    assert with_surroundings(Settings(), {"OPENAI_API_KEY": ""}) == Settings()


def test_what_the_configuration_says_stands(tmp_path: Path) -> None:
    """It was written for this program."""
    config = tmp_path / "modelmeter.toml"
    config.write_text(
        """
[providers.openai]
api_key = "env:MINE"
[providers.bedrock]
region = "us-west-2"
base_url = "https://bedrock-runtime.us-west-2.amazonaws.com"
[cache]
enabled = false
"""
    )

    settings = with_surroundings(load_settings(config, {"MINE": "sk-mine"}), ENVIRONMENT)

    assert secret(settings, "openai") == "sk-mine"
    assert settings.providers["bedrock"].region == "us-west-2"
    assert not settings.cache.enabled


@pytest.mark.parametrize(
    ("given", "store"),
    [
        ("cache.internal:6379", "redis://cache.internal:6379"),
        ("rediss+cluster://cache.internal:6379", "rediss+cluster://cache.internal:6379"),
    ],
)
def test_the_platforms_cache_may_be_named_by_its_url(given: str, store: str) -> None:
    """Where it wants TLS, or is a cluster."""
    settings = with_surroundings(Settings(), {"ELASTICACHE_CLUSTER": given})

    assert settings.cache.store.get_secret_value() == store


def test_a_value_of_no_use_is_told() -> None:
    """By the variable's name."""
    with pytest.raises(SettingsError, match="ELASTICACHE"):
        with_surroundings(Settings(), ENVIRONMENT | {"ELASTICACHE_TTL": "soon"})
