"""What an HTTP status alone says of an error; bodies refine it."""

from modelmeter.record import ErrorType

__all__ = ["error_type_of_status"]

_BY_STATUS = {
    401: ErrorType.AUTHENTICATION,
    402: ErrorType.PERMISSION,
    403: ErrorType.PERMISSION,
    404: ErrorType.NOT_FOUND,
    408: ErrorType.TIMEOUT,
    429: ErrorType.RATE_LIMIT,
    503: ErrorType.OVERLOADED,
    504: ErrorType.TIMEOUT,
    529: ErrorType.OVERLOADED,
}
_SERVER_ERRORS = 500


def error_type_of_status(http_status: int) -> ErrorType:
    """The kind of error behind a status of 400 or more."""
    known = _BY_STATUS.get(http_status)
    if known is not None:
        return known
    return ErrorType.SERVER_ERROR if http_status >= _SERVER_ERRORS else ErrorType.INVALID_REQUEST
