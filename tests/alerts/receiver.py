"""Where notifications go in tests: a service by HTTP that can be down, and one kind of channel."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from modelmeter.budgets.events import BudgetEvent, insert_events
from modelmeter.errors import UpstreamError
from modelmeter.ledger.database import connect_writer
from modelmeter.record import ErrorType

__all__ = ["ListChannel", "Receiver", "TestClock", "add_event", "an_event", "receiver"]

SECONDS_MAX = 120.0


class Receiver:
    """Takes JSON by POST while it is up; refuses with 503 while it is down."""

    def __init__(self) -> None:
        self.received: queue.Queue[tuple[str, dict[str, str], dict[str, object]]] = queue.Queue()
        self.refused: queue.Queue[str] = queue.Queue()
        self.up = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not outer.up:
                    self.send_response(503)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    outer.refused.put(self.path)
                    return
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.received.put((self.path, headers, msgspec.json.decode(body)))

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def next(self) -> tuple[str, dict[str, str], dict[str, object]]:
        """The next notification: path, headers, body."""
        return self.received.get(timeout=SECONDS_MAX)

    def next_refused(self) -> str:
        """The path of the next notification that came while it was down."""
        return self.refused.get(timeout=SECONDS_MAX)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver of its own."""
    running = Receiver()
    try:
        yield running
    finally:
        running.close()


class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False

    def __init__(self, at_ns: int = 1_790_000_000_000_000_000) -> None:
        self.at_ns = at_ns

    def time_ns(self) -> int:
        """See `Clock`."""
        return self.at_ns

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return self.at_ns

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at_ns += int(seconds * 1e9)


class ListChannel:
    """Keeps what it is told; tells that it failed while it is down."""

    def __init__(self, name: str = "list") -> None:
        self.name = name
        self.told: list[BudgetEvent] = []
        self.up = True

    def send(self, event: BudgetEvent, *, sample: bool = False) -> None:
        """See `Channel.send`."""
        if not self.up:
            raise UpstreamError("it is down", error_type=ErrorType.CONNECTION)
        self.told.append(event)


def an_event(clock: TestClock, *, threshold: int = 80, window: int = 1) -> BudgetEvent:
    """The crossing of a threshold of a budget of 50 USD."""
    return BudgetEvent(
        budget_id=1,
        budget="meetmind-daily",
        threshold=threshold,
        window_start_ns=window * 86_400_000_000_000,
        window_end_ns=(window + 1) * 86_400_000_000_000,
        at_ns=clock.at_ns,
        unit="usd",
        limit=Decimal("50.00"),
        settled=Decimal("40.125"),
        reserved=Decimal("1.5"),
    )


def add_event(ledger: Path, event: BudgetEvent) -> None:
    """Write an event as a process of its own would."""
    connection = connect_writer(ledger)
    connection.execute("BEGIN IMMEDIATE")
    insert_events(connection, [event])
    connection.execute("COMMIT")
    connection.close()
