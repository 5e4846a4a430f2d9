"""The tables ``[routes.NAME]`` and ``[routing]``: which models answer to a name."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RouteSettings", "RoutingSettings"]

TARGETS_MAX = 16
"""Models behind one name."""

Target = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}/[!-~]{1,2048}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RouteSettings(_Table):
    """The table ``[routes.NAME]``: a name of your own, and the models that answer to it."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=TARGETS_MAX)]
    """``provider/model``, the first that can answers."""


class RoutingSettings(_Table):
    """The table ``[routing]``: patience, retries and circuit breakers of `/v1` and `LLMService`."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """How often one model is asked before the next one is."""
    backoff_initial_seconds: Seconds = 0.2
    backoff_seconds_max: Seconds = 5
    retry_after_seconds_max: Annotated[float, Field(ge=0, le=3600)] = 10
    """The longest Retry-After that is waited for; a longer one means the next model."""
    first_token_timeout_seconds: Seconds = 60
    """From a request to the first token of a streamed answer."""
    call_timeout_seconds: Seconds = 600
    """One attempt as a whole."""
    circuit_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row after which a model of a provider is left alone for a while."""
    circuit_open_seconds: Seconds = 30
    """How long; then one call tries it."""
