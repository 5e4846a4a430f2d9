"""What a simulator remembers of the calls it served, within bounds."""

import base64
import hashlib
from collections import deque
from collections.abc import Iterator

from modelmeter.record import Operation
from modelmeter.simulator.exchange import HttpRequest

__all__ = ["BODY_BYTES_MAX", "CALLS_MAX", "KEPT_BYTES_MAX", "ServedCall", "ServedLog"]

CALLS_MAX = 10_000
"""Calls remembered; older ones are only counted."""

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Longest body kept whole; of a longer one only length and digest are known."""

KEPT_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of bodies kept in all; the newest calls keep theirs."""


class ServedCall:
    """One call: what came, what was sent, and whether all of it was."""

    __slots__ = (
        "_digest",
        "completed",
        "http_status",
        "model",
        "operation",
        "provider",
        "request",
        "request_id",
        "response_id",
        "sent",
        "sent_length",
        "streamed",
    )

    def __init__(self, provider: str, request: HttpRequest, request_id: str) -> None:
        self.provider = provider
        self.request: HttpRequest | None = request
        self.request_id = request_id
        self.response_id = request_id
        self.operation: Operation | None = None
        self.model: str | None = None
        self.streamed = False
        self.http_status: int | None = None
        self.completed = False
        """The whole answer was handed to the connection."""
        self.sent: bytearray | None = bytearray()
        """The body as sent so far; None if it is not kept."""
        self.sent_length = 0
        self._digest = hashlib.sha256()

    def add_sent(self, data: bytes) -> None:
        """Note bytes of the body."""
        self.sent_length += len(data)
        self._digest.update(data)
        if self.sent is None:
            return
        if self.sent_length > BODY_BYTES_MAX:
            self.sent = None
        else:
            self.sent += data

    @property
    def sent_sha256(self) -> str:
        """Digest of the body, hexadecimal."""
        return self._digest.hexdigest()

    @property
    def client_request_id(self) -> str | None:
        """What the caller sent as ``x-client-request-id``, while the request is kept."""
        return self.request.headers.get("x-client-request-id") if self.request else None

    @property
    def kept_bytes(self) -> int:
        """Bytes of bodies that this call holds."""
        request_bytes = len(self.request.body) if self.request else 0
        return request_bytes + (len(self.sent) if self.sent else 0)

    def summary(self) -> dict[str, object]:
        """One line of ``/simulator/served``."""
        return {
            "id": self.client_request_id,
            "provider": self.provider,
            "operation": self.operation,
            "model": self.model,
            "streamed": self.streamed,
            "http_status": self.http_status,
            "completed": self.completed,
            "response_id": self.response_id,
            "request_id": self.request_id,
        }

    def sent_report(self) -> dict[str, object]:
        """What ``/simulator/sent/{id}`` tells; the body in base64, null if it is not kept."""
        body = None if self.sent is None else base64.b64encode(self.sent).decode()
        return {"length": self.sent_length, "sha256": self.sent_sha256, "body_base64": body}

    def request_report(self) -> dict[str, object] | None:
        """What ``/simulator/headers/{id}`` tells; None if the request is no longer kept."""
        if self.request is None:
            return None
        return {
            "method": self.request.method,
            "path": self.request.raw_path.decode("latin-1"),
            "query": self.request.query.decode("latin-1"),
            "headers": self.request.headers,
            "body_base64": base64.b64encode(self.request.body).decode(),
        }


class ServedLog:
    """The newest calls, oldest first, and counts of all."""

    def __init__(self) -> None:
        self.count = 0
        """Calls that came, answered or not."""
        self._calls: deque[ServedCall] = deque()
        self._by_id: dict[str, ServedCall] = {}
        self._whole: deque[ServedCall] = deque()
        self._whole_bytes = 0

    def __iter__(self) -> Iterator[ServedCall]:
        return iter(tuple(self._calls))

    def open(self, call: ServedCall) -> None:
        """Remember a call that just came."""
        self.count += 1
        self._calls.append(call)
        self._by_id[call.request_id] = call
        if len(self._calls) > CALLS_MAX:
            self._forget(self._calls.popleft())

    def name(self, call: ServedCall, response_id: str) -> None:
        """Let a call be found by the id in its body, too."""
        call.response_id = response_id
        if self._by_id.get(call.request_id) is call:
            self._by_id[response_id] = call

    def close(self, call: ServedCall) -> None:
        """Count the bodies of a call that is over, and free those of old ones."""
        self._whole.append(call)
        self._whole_bytes += call.kept_bytes
        while self._whole and (self._whole_bytes > KEPT_BYTES_MAX or len(self._whole) > CALLS_MAX):
            oldest = self._whole.popleft()
            self._whole_bytes -= oldest.kept_bytes
            oldest.sent = None
            oldest.request = None

    def find(self, response_id: str) -> ServedCall | None:
        """Find a remembered call by the id in its body or in its headers."""
        return self._by_id.get(response_id)

    def report(self) -> dict[str, object]:
        """What ``/simulator/served`` tells."""
        return {
            "served": self.count,
            "calls": [call.summary() for call in self._calls],
        }

    def _forget(self, call: ServedCall) -> None:
        self._by_id.pop(call.request_id, None)
        self._by_id.pop(call.response_id, None)
