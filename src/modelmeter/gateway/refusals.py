"""What the gateway itself says of a failure: an error to the caller, or a line in the log."""

import logging
from collections import Counter
from collections.abc import Callable

import msgspec

from modelmeter.errors import UpstreamError
from modelmeter.gateway.asgi import Headers
from modelmeter.gateway.client_side import ClientSide
from modelmeter.providers import Dialect

__all__ = [
    "CALLER_TOO_SLOW",
    "CALL_ID_HEADER",
    "EarlyRefusals",
    "RefusalCounts",
    "cause_of",
    "log_cut",
    "log_no_answer",
    "send_error",
]

logger = logging.getLogger(__name__)

CALL_ID_HEADER = b"x-modelmeter-call-id"
_LOGGED_MODEL_MAX = 128
_LOGGED_CAUSE_MAX = 500
CALLER_TOO_SLOW = "caller_too_slow"
"""Why an answer is cut whose caller does not read it."""
_JSON: Headers = [(b"content-type", b"application/json")]


class RefusalCounts:
    """How often each error code was answered, for the metrics; codes are a closed set."""

    def __init__(self) -> None:
        self.by_code: Counter[str] = Counter()
        self.unmetered = 0
        """Calls that were passed on without the ledger, as the configuration allows."""

    def add(self, code: str) -> None:
        """Count one."""
        self.by_code[code] += 1


class EarlyRefusals(msgspec.Struct, frozen=True):
    """For requests that are refused before they reach the application."""

    counts: RefusalCounts
    dialect_at: Callable[[bytes], Dialect | None]
    """The dialect of who asks for a target; None: there is none."""

    def written(
        self, target: bytes, message: str, *, code: str, http_status: int
    ) -> tuple[Headers, bytes]:
        """Count a refusal of a request for ``target``; the headers and the body of its answer."""
        self.counts.add(code)
        dialect = self.dialect_at(target)
        return _written(dialect, message, code=code, http_status=http_status)


def log_cut(reason: str, provider: str, *, call_id: str | None = None, model: str = "") -> None:
    """Log that an answer stays incomplete: it had begun, so its caller can be told no error."""
    call, source = _named(provider, call_id, model)
    logger.warning("%s: the answer of %s was cut: %s", call, source, reason)


def log_no_answer(
    cause: str, provider: str, *, call_id: str | None = None, model: str = ""
) -> None:
    """Log why there is no answer; its caller is told less, for a cause may name addresses."""
    call, source = _named(provider, call_id, model)
    logger.warning("%s: no answer of %s: %s", call, source, cause)


def cause_of(error: UpstreamError) -> str:
    """What went wrong and why, in one line for the log."""
    why = str(error.__cause__ or "")
    whole = f"{error.message}: {why}" if why else error.message
    return " ".join(whole[:_LOGGED_CAUSE_MAX].split())


def _named(provider: str, call_id: str | None, model: str) -> tuple[str, str]:
    call = "an unmetered call" if call_id is None else f"call {call_id}"
    return call, f"{provider} {model[:_LOGGED_MODEL_MAX]}".rstrip()


async def send_error(
    client: ClientSide,
    dialect: Dialect | None,
    message: str,
    *,
    code: str,
    http_status: int,
    retry_after_seconds: int | None = None,
    call_id: str | None = None,
    told: Headers | None = None,
) -> None:
    """Answer with an error that the caller's SDK understands; without a dialect in JSON."""
    headers, body = _written(dialect, message, code=code, http_status=http_status)
    if retry_after_seconds is not None:
        headers.append((b"retry-after", str(retry_after_seconds).encode()))
    if call_id is not None:
        headers.append((CALL_ID_HEADER, call_id.encode()))
    await client.answer(http_status, headers + (told or []), body)


def _written(
    dialect: Dialect | None, message: str, *, code: str, http_status: int
) -> tuple[Headers, bytes]:
    logger.info("refused: %s (%d)", code, http_status)
    if dialect is None:
        return list(_JSON), msgspec.json.encode({"error": {"message": message, "code": code}})
    body = dialect.error_body(message, code=code, http_status=http_status)
    return list(dialect.error_headers(code, http_status)), body
