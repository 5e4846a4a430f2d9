"""Which models of which providers answer to a name."""

from collections.abc import Mapping, Sequence

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.pricing.short_names import SHORT_NAMES
from modelmeter.service.model_provider import provider_of_model
from modelmeter.settings.model import ProviderSettings, Settings

__all__ = ["Routes", "Target"]


class Target(msgspec.Struct, frozen=True):
    """One model of one provider."""

    provider: str
    kind: str
    model: str
    """As the provider calls it."""


class Routes:
    """
    Names in the order they are tried: a route of the configuration, ``provider/model``, a model.

    A model's own name says its provider where it is one of ours; the models of other providers
    are called as ``provider/model``.
    """

    def __init__(self, settings: Settings) -> None:
        self._kinds: Mapping[str, str] = {
            name: provider.kind for name, provider in settings.providers.items()
        }
        self._origins = {name: _origin(provider) for name, provider in settings.providers.items()}
        self._routes = {
            name: tuple(self._explicit(target) for target in route.targets)
            for name, route in settings.routes.items()
        }

    @property
    def names(self) -> list[str]:
        """The names of the configuration's routes."""
        return sorted(self._routes)

    def targets(self, name: str) -> tuple[Target, ...]:
        """
        What to ask for ``name``, best first.

        Raises:
            RefusedRequestError: the name says no provider (404).
        """
        route = self._routes.get(name)
        if route is not None:
            return route
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._kinds:
            return (self._explicit(name),)
        meant = provider_of_model(name)
        if meant is None or meant not in self._kinds:
            raise RefusedRequestError(
                f"no provider is known for model {name!r}; name it as provider/model, or make it "
                "a route of the configuration",
                code="model_not_found",
                http_status=404,
            )
        return (self._target(meant, name),)

    def origin(self, targets: Sequence[Target]) -> bytes:
        """
        Whose answers those of ``targets`` are: models, addresses, credentials.

        An answer that was kept under a name is none any more once that means another model, is
        asked elsewhere, or with another key. Secrets are in it: it is never shown, only digested.
        """
        return msgspec.json.encode(
            [(one.provider, one.model, self._origins[one.provider]) for one in targets]
        )

    def _explicit(self, target: str) -> Target:
        provider, _, model = target.partition("/")
        return self._target(provider, model)

    def _target(self, provider: str, model: str) -> Target:
        kind = self._kinds[provider]
        if kind == "bedrock":
            model = SHORT_NAMES.get(model, model)
        return Target(provider, kind, model)


def _origin(provider: ProviderSettings) -> tuple[str | None, ...]:
    key = provider.api_key
    return (
        provider.base_url,
        provider.region,
        provider.aws_profile,
        None if key is None else key.get_secret_value(),
    )
