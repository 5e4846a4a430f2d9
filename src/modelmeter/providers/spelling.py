"""Which metered operation a request is, and that no other spelling of its path passes for none."""

from urllib.parse import unquote

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.contract import Dialect
from modelmeter.record import Operation

__all__ = ["operation_at", "plain_path"]

_ESCAPE_ROUNDS_MAX = 4
"""How often a path may have been escaped; what is still escaped then no upstream unpacks."""


def operation_at(dialect: Dialect, method: str, path: str) -> Operation | None:
    """
    The metered operation of a request, None for one that is only relayed.

    Raises:
        RefusedRequestError: the path is not exactly an operation's, but an upstream that reads
            it freely may take it for one, and so run a call that nobody meters.
    """
    operation = dialect.operation(method, path)
    if operation is None and method == "POST" and dialect.names_operation(plain_path(path)):
        raise RefusedRequestError(
            "this path could be taken for that of a metered operation, but is not exactly it; "
            "write it as the provider's reference does: no slash at its end, no parameters, "
            "no escapes, the same letters",
            code="inexact_path",
            http_status=404,
        )
    return operation


def plain_path(path: str) -> str:
    """
    What the freest reader makes of ``path``, in small letters.

    Escapes are undone, however often they were made. A query, fragment or parameter that was
    escaped goes, and so do doubled slashes, dot segments, and blanks and dots at a segment's end.
    """
    for _ in range(_ESCAPE_ROUNDS_MAX):
        path, escaped = unquote(path), path
        if path == escaped:
            break
    path = path.partition("?")[0].partition("#")[0].replace("\\", "/").casefold()
    segments: list[str] = []
    for part in path.split("/"):
        segment = part.partition(";")[0].strip()
        if segment == "..":
            del segments[-1:]
        elif segment := segment.rstrip(" ."):
            segments.append(segment)
    return "/" + "/".join(segments)
