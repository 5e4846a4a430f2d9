"""The closed sets of words that a call's record is made of."""

from enum import StrEnum
from typing import Final

__all__ = [
    "ERROR_STATUSES",
    "FAILED_STATUSES",
    "CacheMiss",
    "CostState",
    "ErrorType",
    "Operation",
    "Status",
]


class Status(StrEnum):
    """How an attempt ended, as its caller saw it."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    """A crash swallowed the outcome; the upstream may have billed it."""


ERROR_STATUSES: Final = tuple(status for status in Status if status is not Status.SUCCESS)
"""An error is every call that did not succeed."""
FAILED_STATUSES: Final = (Status.ERROR, Status.TIMEOUT, Status.UNKNOWN)
"""
The errors that an error rate is of. A caller who left and a call that a budget or a throttle
refused are errors too, but no fault of a provider's: neither may set off an alarm.
"""


class ErrorType(StrEnum):
    """Why an attempt did not succeed, in words that fit every provider."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    SERVER_ERROR = "server_error"
    BUDGET_EXCEEDED = "budget_exceeded"
    THROTTLED = "throttled"
    CANCELLED = "cancelled"
    CIRCUIT_OPEN = "circuit_open"
    BAD_RESPONSE = "bad_response"


class CostState(StrEnum):
    """How much a call's cost can be trusted."""

    PRICED = "priced"
    """The provider's own usage times a known price."""
    ESTIMATED = "estimated"
    """A known price times usage that the provider did not report, or reported wrongly."""
    UNPRICED = "unpriced"
    """No price is known; the cost stands at 0 until it is priced again."""


class CacheMiss(StrEnum):
    """Why a call for which caching is configured was not answered from the response cache."""

    FIRST_SEEN = "first_seen"
    """No equal call is known of."""
    EXPIRED = "expired"
    """An equal call was answered, but longer ago than its time to live."""
    EVICTED = "evicted"
    """An equal call was answered, but its answer had to make room."""
    NOT_STORED = "not_stored"
    """An equal call's answer could not be kept: truncated, refused, or too large."""
    TEMPERATURE = "temperature"
    """The request asks for more variety than the ceiling of its rule."""
    NO_STORE = "no_store"
    """The client wants nothing of the cache."""
    NO_CACHE = "no_cache"
    """The client wants a fresh answer."""
    MAX_AGE = "max_age"
    """The client wants a younger answer than the one that is there."""
    UNAVAILABLE = "unavailable"
    """The cache's store did not answer."""


class Operation(StrEnum):
    """What a metered request asks a model to do."""

    CHAT = "chat"
    RESPONSES = "responses"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    MESSAGES = "messages"
    CONVERSE = "converse"
    INVOKE_MODEL = "invoke_model"
    GENERATE_CONTENT = "generate_content"
    EMBED_CONTENT = "embed_content"
