"""What the faults of botocore's HTTP session mean."""

from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from modelmeter.record import ErrorType

__all__ = ["error_type_of", "may_be_sent"]


def error_type_of(error: BotoCoreError) -> ErrorType:
    """Why there is no answer."""
    timed_out = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
    return ErrorType.TIMEOUT if timed_out else ErrorType.CONNECTION


def may_be_sent(error: BotoCoreError) -> bool:
    """Without a connection nothing has gone out."""
    return not isinstance(error, EndpointConnectionError | ConnectTimeoutError)
