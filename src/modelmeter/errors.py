"""
Every error modelmeter raises on purpose.

    ModelmeterError
    ├── SettingsError            the configuration cannot be used
    ├── RefusedRequestError      a caller's request is not sent upstream
    ├── BudgetExceededError      a call does not fit what is left of a budget
    ├── ThrottledError           a call comes faster than a throttle lets calls through
    ├── WireError                bytes that no codec can read
    │   ├── WireLimitError       … or that exceed a codec's cap
    │   └── WireFormatError      … or that break the format
    ├── UpstreamError            the upstream gave no usable answer
    ├── LedgerError              the ledger cannot do what was asked
    │   ├── LedgerUnavailableError   … now: full disk, lock, I/O error
    │   │   └── LedgerLateError  … in time; it may do it yet
    │   ├── LedgerFormatError    … ever: not a ledger, damaged, or of a newer version
    │   └── LedgerConflictError  … because the call is settled already
    ├── CacheUnavailableError    the response cache's store does not answer
    ├── CatalogueError           a file of prices cannot be used
    ├── UnknownModelError        no price is known
    └── LLMServiceError          no provider gave an answer
        ├── APIKeyError          … because a key is missing or wrong
        ├── RateLimitError       … because the provider wants fewer calls
        └── LLMTimeoutError      … in time; also the built-in TimeoutError

Each carries a stable ``code`` for programs; its text says what was wrong and what to do.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

__all__ = [
    "APIKeyError",
    "BudgetExceededError",
    "CacheUnavailableError",
    "CatalogueError",
    "LLMServiceError",
    "LLMTimeoutError",
    "LedgerConflictError",
    "LedgerError",
    "LedgerFormatError",
    "LedgerLateError",
    "LedgerUnavailableError",
    "ModelmeterError",
    "RateLimitError",
    "RefusedRequestError",
    "SettingsError",
    "ThrottledError",
    "UnknownModelError",
    "UpstreamError",
    "WireError",
    "WireFormatError",
    "WireLimitError",
]


class ModelmeterError(Exception):
    """The base of all; catch it to survive anything modelmeter reports on purpose."""

    code: ClassVar[str] = "modelmeter_error"


class SettingsError(ModelmeterError):
    """The configuration is wrong; the text names the place (file and line, or variable)."""

    code = "settings_invalid"


class RefusedRequestError(ModelmeterError):
    """A request that is answered with an error and never sent upstream."""

    code = "request_refused"

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_request",
        http_status: int = 400,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.refusal_code = code
        self.http_status = http_status
        self.retry_after_seconds = retry_after_seconds


class BudgetExceededError(ModelmeterError):
    """
    A call was not made, for it may cost more than is left of a budget.

    Amounts are exact decimals in ``unit`` (usd, tokens or calls).
    """

    code = "budget_exceeded"

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        unit: str,
        limit: Decimal,
        spent: Decimal,
        reserved: Decimal,
        resets_at: datetime | None,
        retry_after_seconds: int,
        downgrade_to: str | None = None,
        frees_soon: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.budget = budget
        self.unit = unit
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.resets_at = resets_at
        """None: the window rolls."""
        self.retry_after_seconds = retry_after_seconds
        """When what is left may be more."""
        self.downgrade_to = downgrade_to
        """The model that the budget lets a call ask instead."""
        self.frees_soon = frees_soon
        """Only what is held for calls under way is in its way, and comes back as they end."""


class ThrottledError(ModelmeterError):
    """A call was not made, for calls like it come faster than a throttle lets them through."""

    code = "throttled"

    def __init__(
        self,
        message: str,
        *,
        throttle: str,
        retry_after_seconds: float,
        queue_seconds: float,
        queue_max: int,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.throttle = throttle
        self.retry_after_seconds = retry_after_seconds
        """When it may fit, as far as anybody can tell."""
        self.queue_seconds = queue_seconds
        """How long it may wait for its turn; 0 where waiting is of no use."""
        self.queue_max = queue_max


class WireError(ModelmeterError):
    """Bytes that a codec cannot read."""

    code = "wire_error"


class WireLimitError(WireError):
    """A codec's cap on size or ratio is exceeded."""

    code = "wire_limit"


class WireFormatError(WireError):
    """The bytes break the format."""

    code = "wire_format"


class UpstreamError(ModelmeterError):
    """
    The upstream could not be reached, broke off, or was too slow.

    ``error_type`` is one of `modelmeter.record.ErrorType`'s values; ``sent`` says whether the
    request may have reached it.
    """

    code = "upstream_error"

    def __init__(self, message: str, *, error_type: str, sent: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.sent = sent


class LedgerError(ModelmeterError):
    """The ledger cannot do what was asked."""

    code = "ledger_error"


class LedgerUnavailableError(LedgerError):
    """The ledger cannot commit now; the caller may try again later."""

    code = "ledger_unavailable"


class LedgerLateError(LedgerUnavailableError):
    """The ledger did not commit in time, and may do so yet."""


class LedgerFormatError(LedgerError):
    """The file is not a ledger this version can use."""

    code = "ledger_format"


class LedgerConflictError(LedgerError):
    """The call already has an outcome; a second one is refused."""

    code = "ledger_conflict"


class CacheUnavailableError(ModelmeterError):
    """The response cache's store does not answer; calls go on without it."""

    code = "cache_unavailable"


class CatalogueError(ModelmeterError):
    """A file of prices is missing, broken, or no catalogue."""

    code = "price_catalogue"


class UnknownModelError(ModelmeterError):
    """No price is known for a model."""

    code = "unknown_model"


class LLMServiceError(ModelmeterError):
    """
    A request got no answer, or not all of it.

    ``error_type`` is one of `modelmeter.record.ErrorType`'s values. Of several attempts it tells
    of the last one.
    """

    code = "llm_service_error"

    def __init__(
        self,
        message: str,
        *,
        error_type: str,
        http_status: int | None = None,
        provider: str | None = None,
        call_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.http_status = http_status
        """What the provider answered, if it answered."""
        self.provider = provider
        self.call_id = call_id
        self.retry_after_seconds = retry_after_seconds


class APIKeyError(LLMServiceError):
    """The provider's key is missing, wrong, or may not do this."""

    code = "llm_api_key"


class RateLimitError(LLMServiceError):
    """The provider wants fewer calls; ``retry_after_seconds`` says when, if it said so."""

    code = "llm_rate_limit"


class LLMTimeoutError(LLMServiceError, TimeoutError):
    """The provider did not answer in time."""

    code = "llm_timeout"
