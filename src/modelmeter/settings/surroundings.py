"""What a program's surroundings say that its configuration leaves open: the SDKs' own variables."""

from collections.abc import Mapping

from pydantic import SecretStr

from modelmeter.errors import SettingsError
from modelmeter.settings.cache import CacheSettings
from modelmeter.settings.model import BUILT_IN_PROVIDERS, ProviderSettings, Settings

__all__ = ["with_surroundings"]

_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "bedrock": (),
}
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_BEDROCK = "https://bedrock-runtime.{region}.amazonaws.com"
_CACHE = "ELASTICACHE_CLUSTER"
_CACHE_TTL = "ELASTICACHE_TTL"


def with_surroundings(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """
    ``settings`` with keys, AWS's region and a cache from the variables that name them elsewhere.

    What the configuration says itself stands. ``ELASTICACHE_CLUSTER`` is the host and port of a
    Redis, or its URL, ``ELASTICACHE_TTL`` seconds.

    Raises:
        SettingsError: a variable's value is of no use.
    """
    providers = {
        name: _provider(name, provider, environment)
        for name, provider in settings.providers.items()
    }
    changed: dict[str, object] = {"providers": providers}
    cluster = environment.get(_CACHE)
    if cluster and "cache" not in settings.model_fields_set:
        changed["cache"] = _cache(cluster, environment.get(_CACHE_TTL))
    return settings.model_copy(update=changed)


def _provider(
    name: str, provider: ProviderSettings, environment: Mapping[str, str]
) -> ProviderSettings:
    changed: dict[str, object] = {}
    key = _first(environment, _KEYS.get(name, ()))
    if key is not None and provider.api_key is None:
        changed["api_key"] = SecretStr(key)
    region = _first(environment, _REGIONS)
    built_in = BUILT_IN_PROVIDERS["bedrock"]
    if (
        name == "bedrock"
        and region is not None
        and (provider.base_url, provider.region) == (built_in["base_url"], built_in["region"])
    ):
        changed |= {"region": region, "base_url": _BEDROCK.format(region=region)}
    return provider.model_copy(update=changed)


def _cache(cluster: str, ttl: str | None) -> CacheSettings:
    url = cluster if "://" in cluster else f"redis://{cluster}"
    fields: dict[str, object] = {"enabled": True, "store": SecretStr(url)}
    if ttl is not None:
        fields["ttl_seconds"] = ttl
    try:
        return CacheSettings.model_validate(fields)
    except ValueError as error:
        raise SettingsError(f"{_CACHE} or {_CACHE_TTL}: {error}") from error


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
