"""The HTTP client below three of the SDKs: how long it waits, and what its faults are to us."""

import httpx2

from modelmeter.errors import UpstreamError
from modelmeter.record import ErrorType
from modelmeter.service.http_faults import error_type_of, may_be_sent
from modelmeter.settings.limits import Limits

__all__ = ["no_answer", "timeouts"]


def timeouts(limits: Limits) -> httpx2.Timeout:
    """Connecting has a time of its own; the whole call's is the bound of every other wait."""
    return httpx2.Timeout(
        limits.upstream_total_timeout_seconds, connect=limits.upstream_connect_timeout_seconds
    )


def no_answer(error: BaseException) -> UpstreamError:
    """What a fault is to us, before or amid an answer."""
    if not isinstance(error, httpx2.HTTPError):
        return UpstreamError(
            f"the provider could not be reached: {error}", error_type=ErrorType.CONNECTION
        )
    error_type, sent = error_type_of(error), may_be_sent(error)
    if not sent:
        text = f"the provider could not be reached: {error or 'no connection in time'}"
    elif error_type is ErrorType.TIMEOUT:
        text = "the provider did not answer in time"
    else:
        text = f"the connection broke off: {error}"
    return UpstreamError(text, error_type=error_type, sent=sent)
