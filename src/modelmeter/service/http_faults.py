"""What the faults of the HTTP client below three of the SDKs mean."""

import httpx2

from modelmeter.record import ErrorType

__all__ = ["error_type_of", "may_be_sent"]


def error_type_of(error: httpx2.HTTPError) -> ErrorType:
    """Why there is no answer, or no more of it."""
    timed_out = isinstance(error, httpx2.TimeoutException)
    return ErrorType.TIMEOUT if timed_out else ErrorType.CONNECTION


def may_be_sent(error: httpx2.HTTPError) -> bool:
    """Without a connection nothing has gone out."""
    return not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
