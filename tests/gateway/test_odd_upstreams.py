"""Upstreams that cannot be reached or break HTTP: a clear error, an entry, and life goes on."""

import gzip
import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ledger_file import check_ledger, query
from odd_upstream import ANSWER, HEAD, Behaviour, OddUpstream, usual
from polling import wait_until
from running import GatewayProcess

LIMITS = """
[limits]
upstream_connect_timeout_seconds = 1
upstream_first_byte_timeout_seconds = 2
upstream_idle_timeout_seconds = 1
response_bytes_max = 2000000
"""
RESIDENT_BYTES_MAX = 300 * 2**20
LENGTH = b"content-length: %d\r\n\r\n" % len(ANSWER)
PAUSE_SECONDS = 0.2
"""Long enough for an answer to reach its caller."""
SPOKEN_SECONDS_MAX = 10.0
ENDLESS = b"x" * 8000
_ids = itertools.count(1)


def says(*parts: bytes, stays: bool = False) -> Behaviour:
    """Send bytes, then close or wait for the next request."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(b"".join(parts))
        return stays

    return behave


def falls_silent(*parts: bytes) -> Behaviour:
    """Send bytes, then nothing until the gateway gives up."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(b"".join(parts))
        while connection.recv(65536):
            pass
        return False

    return behave


def never_ends(start: bytes, again: bytes) -> Behaviour:
    """Send bytes, then the same piece until the gateway gives up."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(start)
        while True:
            connection.sendall(again)

    return behave


class SpeaksUnasked:
    """A proper answer, then another that nobody asked for, while the connection rests."""

    def __init__(self) -> None:
        self.spoken = threading.Event()

    def __call__(self, connection: socket.socket) -> bool:
        usual(connection)
        time.sleep(PAUSE_SECONDS)
        connection.sendall(SMUGGLED)
        self.spoken.set()
        return True


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MUCH = b"content-length: 2000000\r\n\r\n" + b" " * 10**6
"""Half of an answer that is passed on in pieces."""
ZIPPED = gzip.compress(ANSWER)
ZIPPED_LENGTH = b"content-length: %d\r\n\r\n" % len(ZIPPED)
BOMB = gzip.compress(bytes(300 * 2**20), 1)
BOMB_LENGTH = b"content-length: %d\r\n\r\n" % len(BOMB)
HALF = b'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":null}]}\n\n'
"""A stream that lacks its end."""
HALF_LENGTH = b"content-length: %d\r\n\r\n" % len(HALF)
SMUGGLED = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled"

UNUSABLE = ("connection", "bad_response")

BROKEN: dict[str, Behaviour] = {
    "says-nothing": says(b""),
    "breaks-off-in-its-head": says(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "speaks-something-else": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "sends-noise": says(bytes(range(256)) * 64),
    "answers-with-http-0.9": says(b"<html>hello</html>"),
    "has-no-status": says(b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n"),
    "has-a-status-of-four-digits": says(b"HTTP/1.1 2000 OK\r\n", LENGTH, ANSWER),
    "counts-in-letters": says(HEAD, b"content-length: many\r\n\r\n", ANSWER),
    "counts-below-zero": says(HEAD, b"content-length: -5\r\n\r\n", ANSWER),
    "counts-twice": says(HEAD, b"content-length: 10\r\ncontent-length: 20\r\n\r\n", ANSWER),
    "counts-and-chunks": says(HEAD, b"transfer-encoding: chunked\r\n", LENGTH, ANSWER),
    "splits-its-head": says(HEAD, b"x-request-id: a\rx-evil: 1\r\n", LENGTH, ANSWER),
    "puts-nul-in-its-head": says(HEAD, b"x-request-id: a\x00b\r\n", LENGTH, ANSWER),
    "has-a-header-of-a-megabyte": says(HEAD, b"x-big: ", b"a" * 2**20, b"\r\n", LENGTH, ANSWER),
    "has-endless-headers": never_ends(HEAD, b"x-more: " + ENDLESS + b"\r\n"),
    "has-an-endless-header": never_ends(HEAD + b"x-more: ", ENDLESS),
    "has-an-endless-status": never_ends(b"HTTP/1.1 200 ", ENDLESS),
}
"""No answer to pass on: the gateway's own error."""

CUT: dict[str, Behaviour] = {
    "stops-early": says(HEAD, LENGTH, ANSWER[:40]),
    "stops-amid-a-chunk": says(CHUNKED, b"fff\r\n", ANSWER[:40]),
    "has-no-last-chunk": says(CHUNKED, b"%x\r\n" % len(ANSWER), ANSWER, b"\r\n"),
    "counts-its-chunk-in-letters": says(CHUNKED, b"zz\r\n", ANSWER, b"\r\n0\r\n\r\n"),
    "stops-late": says(HEAD, MUCH),
    "sends-too-much": never_ends(CHUNKED, b"1f40\r\n" + ENDLESS + b"\r\n"),
}
"""The answer began and did not end: cut for the caller too, or an error if nothing went out."""


@pytest.fixture(scope="module", name="odd")
def odd_upstream() -> Iterator[OddUpstream]:
    switches = says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n")
    strange = {name: behaviour for name, (behaviour, _) in STRANGE.items()}
    continues = never_ends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 300)
    others: dict[str, Behaviour] = {
        "usual": usual,
        "switches-protocols": switches,
        "only-ever-continues": continues,
        "speaks-unasked": SPEAKS_UNASKED,
    }
    whole = {**ODD_BUT_WHOLE, **strange, **REDIRECTS, **WAITS}
    upstream = OddUpstream({**BROKEN, **CUT, **SILENT, **whole, **others})
    yield upstream
    upstream.close()


ODD_BUT_WHOLE: dict[str, Behaviour] = {
    "sets-a-cookie": says(
        HEAD, b"set-cookie: spy=1\r\nconnection: x-amzn-hop\r\nx-amzn-hop: 1\r\n", LENGTH, ANSWER
    ),
    "says-more-than-it-counted": says(HEAD, LENGTH, ANSWER, SMUGGLED, stays=True),
    "closes-at-its-end": says(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n", ANSWER),
    "continues-first": says(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, LENGTH, ANSWER),
    "hints-early": says(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", HEAD, LENGTH, ANSWER),
    "has-trailers": says(
        CHUNKED, b"%x;ext=1\r\n" % len(ANSWER), ANSWER, b"\r\n0\r\nx-trailer: 1\r\n\r\n"
    ),
    "zips": says(HEAD, b"content-encoding: gzip\r\n", ZIPPED_LENGTH, ZIPPED, stays=True),
    "has-a-long-reason": says(
        b"HTTP/1.1 200 " + b"o" * 200 + b"\r\ncontent-type: application/json\r\n", LENGTH, ANSWER
    ),
}
"""Proper answers with something that must not reach the caller, or that is seldom seen."""

NO_JSON = ("error", "bad_response")
STRANGE: dict[str, tuple[Behaviour, tuple[int, bytes, object]]] = {
    "has-no-content": (
        says(b"HTTP/1.1 204 No Content\r\n\r\n", stays=True),
        (204, b"", (*NO_JSON, 204, 1)),
    ),
    "zips-nonsense": (
        says(HEAD, b"content-encoding: gzip\r\n", LENGTH, ANSWER, stays=True),
        (200, ANSWER, (*NO_JSON, 200, 1)),
    ),
    "zips-half": (
        says(HEAD, b"content-encoding: gzip\r\ncontent-length: 40\r\n\r\n", ZIPPED[:40]),
        (200, ZIPPED[:40], (*NO_JSON, 200, 1)),
    ),
    "zips-a-bomb": (
        says(HEAD, b"content-encoding: gzip\r\n", BOMB_LENGTH, BOMB),
        (200, BOMB, (*NO_JSON, 200, 1)),
    ),
    "streams-half": (
        says(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n", HALF_LENGTH, HALF),
        (200, HALF, (*NO_JSON, 200, 1)),
    ),
    "zips-in-its-own-way": (
        says(HEAD, b"content-encoding: own\r\n", LENGTH, ANSWER),
        (200, ANSWER, ("success", None, 200, 1)),
    ),
}
"""Answers that pass as they are, with what their entry says."""

SILENT: dict[str, Behaviour] = {
    "never-answers": falls_silent(),
    "stops-amid-its-head": falls_silent(HEAD),
    "stops-amid-its-body": falls_silent(HEAD, LENGTH, ANSWER[:40]),
    "stops-late-in-its-body": falls_silent(HEAD, MUCH),
    "lacks-a-byte": falls_silent(HEAD, b"content-length: %d\r\n\r\n" % (len(ANSWER) + 1), ANSWER),
}


REDIRECTS: dict[str, Behaviour] = {
    f"sends-elsewhere-{status}": says(
        b"HTTP/1.1 %d Elsewhere\r\nlocation: http://127.0.0.1:9/\r\n" % status, LENGTH, ANSWER
    )
    for status in (300, 301, 302, 303, 305, 307, 308, 399)
}
"""Each with a body that claims a use."""

LATER = formatdate(time.time() + 600, usegmt=True).encode()
MUCH_LATER = b"Fri, 31 Dec 9999 23:59:59 GMT"
TOLD_TO_WAIT: dict[str, tuple[bytes, str | None]] = {
    "soon": (b"7", "7"),
    "in-parts": (b"1.5", "1.5"),
    "never": (b"1000000000", "3600"),
    "in-an-age": (b"9" * 5000, "3600"),
    "by-now": (b"-1", None),
    "in-words": (b"soon", None),
    "not-a-number": (b"nan", None),
    "later": (LATER, LATER.decode()),
    "much-later": (MUCH_LATER, "3600"),
    "in-the-past": (b"Wed, 21 Oct 2015 07:28:00 GMT", None),
}
"""The provider's Retry-After, and what of it reaches the caller."""
WAITS: dict[str, Behaviour] = {
    f"{status}-{name}": says(
        b"HTTP/1.1 %d Wait\r\ncontent-type: application/json\r\nretry-after: %b\r\n"
        % (status, told),
        b"retry-after-ms: 99999999999\r\n",
        LENGTH,
        ANSWER,
        stays=True,
    )
    for status in (429, 529)
    for name, (told, _) in TOLD_TO_WAIT.items()
}

SPEAKS_UNASKED = SpeaksUnasked()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Setting:
    """A gateway in front of the odd upstream and of places where there is none."""

    def __init__(self, gateway: GatewayProcess, ledger: Path) -> None:
        self.gateway = gateway
        self._ledger = ledger

    def call(
        self, name: str, *, door: str = "openai/v1"
    ) -> tuple[int, bytes, dict[str, str], object]:
        """
        Status, body and headers of a call, and its entry: status, error type, HTTP status,
        whether it cost anything. A body that breaks off ends in "…".
        """
        request_id = f"odd-{next(_ids)}"
        place = urlsplit(self.gateway.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        message = {"role": "user", "content": "hi"}
        body = {"model": "gpt-4o-mini", "user": name, "messages": [message]}
        connection.request(
            "POST",
            f"/{door}/chat/completions",
            json.dumps(body),
            {"content-type": "application/json", "x-request-id": request_id},
        )
        response = connection.getresponse()
        try:
            answer = response.read()
        except http.client.IncompleteRead as broken:
            answer = broken.partial + "…".encode()
        connection.close()
        ((entry),) = query(
            self._ledger,
            "SELECT status, error_type, http_status, cost_pico_usd > 0 FROM entry"
            f" WHERE request_id = '{request_id}'",
        )
        return response.status, answer, {n.lower(): v for n, v in response.getheaders()}, entry


@pytest.fixture(scope="module", name="setting")
def gateway_and_places(
    odd: OddUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("odd")
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    places = {
        "openai": odd.url,
        "refused": f"http://127.0.0.1:{closed_port()}",
        "nowhere": "http://nowhere.invalid",
        "plain": odd.url.replace("http:", "https:"),
        "hangs": f"http://127.0.0.1:{full.getsockname()[1]}",
    }
    config = folder / "gateway.toml"
    tables = [
        f'[providers.{name}]\nkind = "openai"\nbase_url = "{url}"\n' for name, url in places.items()
    ]
    head = f'listen = "127.0.0.1:0"\nledger = "{folder / "ledger.db"}"\n'
    config.write_text(head + "".join(tables) + LIMITS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield Setting(gateway, folder / "ledger.db")
        assert gateway.process is not None
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        resident = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        assert resident < RESIDENT_BYTES_MAX
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        for taken in (full, *fillers):
            taken.close()
    assert query(folder / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(folder / "ledger.db")
    assert not any(word in gateway.log.read_bytes() for word in (b"Traceback", b" ERROR "))


def check_error(answer: bytes) -> None:
    """An error as OpenAI writes it."""
    assert set(json.loads(answer)["error"]) == {"message", "type", "param", "code"}


def line_of(setting: Setting, call_id: bytes) -> bytes:
    """The one line in the gateway's log that names a call."""
    wait_until(lambda: call_id in setting.gateway.log.read_bytes())
    (line,) = (line for line in setting.gateway.log.read_bytes().splitlines() if call_id in line)
    return line


@pytest.mark.parametrize(
    ("door", "cause"),
    [
        ("refused", b"(ConnectionRefusedError): "),
        ("nowhere", b"(gaierror): "),
        ("plain", b"(TimeoutError)"),
        ("hangs", b"(TimeoutError)"),
    ],
)
def test_an_upstream_that_cannot_be_reached_is_an_error_that_cost_nothing(
    setting: Setting, door: str, cause: bytes
) -> None:
    status, answer, headers, entry = setting.call("usual", door=f"up/{door}/v1")

    assert (status, entry) == (502, ("error", "connection", None, 0))
    check_error(answer)
    line = line_of(setting, headers["x-modelmeter-call-id"].encode())
    assert b": no answer of %b " % door.encode() in line
    assert cause in line
    assert cause not in answer


def test_what_is_only_relayed_leaves_a_line_when_there_is_no_answer(setting: Setting) -> None:
    place = urlsplit(setting.gateway.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("GET", "/up/refused/v1/files")
    assert connection.getresponse().status == 502
    connection.close()

    told = b"an unmetered call: no answer of refused: the upstream cannot be reached"
    wait_until(lambda: told in setting.gateway.log.read_bytes())


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_no_http_is_a_bad_gateway(setting: Setting, name: str) -> None:
    status, answer, _, entry = setting.call(name)

    assert isinstance(entry, tuple)
    assert (status, entry[0], entry[3]) == (502, "error", 1)
    assert entry[1] in UNUSABLE
    check_error(answer)
    assert setting.call("usual")[0] == 200


@pytest.mark.parametrize("name", CUT)
def test_an_answer_that_breaks_off_is_never_shown_as_whole(setting: Setting, name: str) -> None:
    status, answer, _, entry = setting.call(name)

    assert (status, answer.endswith("…".encode())) in ((502, False), (200, True))
    assert isinstance(entry, tuple)
    assert entry[0] == "error"
    assert entry[1] in UNUSABLE
    # The parser may meet the fault together with the head.
    assert entry[2] in (200, None)
    assert entry[3] == 1
    assert setting.call("usual")[0] == 200


@pytest.mark.parametrize("name", ["stops-late", "stops-late-in-its-body", "sends-too-much"])
def test_an_answer_that_is_cut_leaves_one_line_that_names_its_call(
    setting: Setting, name: str
) -> None:
    status, _, headers, entry = setting.call(name)

    assert status == 200
    assert isinstance(entry, tuple)
    call_id = headers["x-modelmeter-call-id"].encode()
    line = line_of(setting, call_id)
    told = b"WARNING modelmeter.gateway.refusals: call %b: the answer of openai gpt-4o-mini was cut"
    assert line.endswith(told % call_id + b": upstream_%b" % str(entry[1]).encode())


def test_what_is_only_relayed_leaves_a_line_when_it_is_cut(setting: Setting) -> None:
    place = urlsplit(setting.gateway.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("POST", "/openai/v1/batches", b'{"user": "stops-early"}')
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()

    told = b"an unmetered call: the answer of openai was cut: upstream_connection\n"
    wait_until(lambda: told in setting.gateway.log.read_bytes())


@pytest.mark.parametrize("name", SILENT)
def test_an_upstream_that_falls_silent_is_waited_for_within_a_bound(
    setting: Setting, name: str
) -> None:
    status, answer, _, entry = setting.call(name)

    assert (status, answer.endswith("…".encode())) in ((504, False), (200, True))
    assert isinstance(entry, tuple)
    assert entry[:2] == ("timeout", "timeout")
    assert entry[3] == 1


@pytest.mark.parametrize("name", ODD_BUT_WHOLE)
def test_a_whole_answer_passes_without_what_is_not_the_callers(setting: Setting, name: str) -> None:
    status, answer, headers, entry = setting.call(name)

    plain = gzip.decompress(answer) if headers.get("content-encoding") == "gzip" else answer
    assert (status, plain, entry) == (200, ANSWER, ("success", None, 200, 1))
    assert not headers.keys() & {"set-cookie", "x-amzn-hop", "link", "x-trailer"}
    for _ in range(2):
        assert setting.call("usual")[1] == ANSWER


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_answer_passes_and_its_entry_says_so(setting: Setting, name: str) -> None:
    status, answer, _, entry = setting.call(name)

    assert (status, answer, entry) == STRANGE[name][1]
    assert setting.call("usual")[1] == ANSWER


@pytest.mark.parametrize("name", REDIRECTS)
def test_a_redirect_is_not_followed_and_costs_nothing(setting: Setting, name: str) -> None:
    status, answer, headers, entry = setting.call(name)

    assert (status, entry) == (502, ("error", "bad_response", int(name[-3:]), 0))
    assert "location" not in headers
    check_error(answer)


@pytest.mark.parametrize("status", [429, 529])
@pytest.mark.parametrize("name", TOLD_TO_WAIT)
def test_a_wish_to_be_asked_later_is_passed_on_within_a_bound(
    setting: Setting, status: int, name: str
) -> None:
    error_type = {429: "rate_limit", 529: "overloaded"}[status]

    answered, answer, headers, entry = setting.call(f"{status}-{name}")

    assert (answered, answer, entry) == (status, ANSWER, ("error", error_type, status, 0))
    assert headers.get("retry-after") == TOLD_TO_WAIT[name][1]
    assert headers["retry-after-ms"] == "3600000"


def test_what_is_only_relayed_tells_a_bounded_wish_too(setting: Setting) -> None:
    place = urlsplit(setting.gateway.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("POST", "/openai/v1/batches", b'{"user": "429-never"}')
    response = connection.getresponse()

    told = response.read(), response.getheader("retry-after")
    connection.close()

    assert told == (ANSWER, "3600")


def test_no_other_protocol_is_switched_to(setting: Setting) -> None:
    status, answer, _, entry = setting.call("switches-protocols")

    assert isinstance(entry, tuple)
    assert (status, entry[0], entry[1], entry[3]) == (502, "error", "bad_response", 1)
    check_error(answer)


def test_an_upstream_that_only_ever_continues_is_given_up(setting: Setting) -> None:
    status, answer, _, entry = setting.call("only-ever-continues")

    assert status in (502, 504)
    assert isinstance(entry, tuple)
    assert entry[0] in ("error", "timeout")
    check_error(answer)
    assert setting.call("usual")[0] == 200


def test_what_comes_unasked_is_nobodys_answer(setting: Setting) -> None:
    assert setting.call("speaks-unasked")[1] == ANSWER
    assert SPEAKS_UNASKED.spoken.wait(SPOKEN_SECONDS_MAX)

    assert [setting.call("usual")[1] for _ in range(3)] == [ANSWER] * 3
