"""The list of models in OpenAI's shape: https://platform.openai.com/docs/api-reference/models."""

from collections.abc import Callable, Iterable

from modelmeter.errors import RefusedRequestError
from modelmeter.service.routes import Routes

__all__ = ["model_list", "model_named"]

Object = dict[str, object]

_OWNER_OF_ROUTES = "modelmeter"


def model_list(
    routes: Routes, providers: Iterable[str], models_of: Callable[[str], Iterable[str]]
) -> Object:
    """The configuration's routes, and of each provider the models that have a known price."""
    models = [_model(name, _OWNER_OF_ROUTES) for name in routes.names]
    for provider in providers:
        models += [_model(f"{provider}/{name}", provider) for name in models_of(provider)]
    return {"object": "list", "data": models}


def model_named(routes: Routes, name: str) -> Object:
    """
    One model, by any name that would be answered.

    Raises:
        RefusedRequestError: the name says no provider (404).
    """
    if not name.isprintable():
        raise RefusedRequestError("no such model", code="model_not_found", http_status=404)
    targets = routes.targets(name)
    owner = _OWNER_OF_ROUTES if name in routes.names else targets[0].provider
    return _model(name, owner)


def _model(name: str, owner: str) -> Object:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
