"""A gateway with budgets before models that heed no limit of output."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ledger_file import check_ledger
from odd_upstream import Behaviour, OddUpstream
from running import GatewayProcess, gateway_config

__all__ = ["EVENT", "HELD", "WATCHED", "chunked", "element", "gateway_before"]

HELD = {"x-team": "held"}
"""A team whose budget stops calls."""
WATCHED = {"x-team": "watched"}
"""One whose budget only alerts."""

BUDGETS = """
[[budgets]]
name = "held"
team = "held"
window = "day"
limit_usd = "5"

[[budgets]]
name = "watched"
team = "watched"
window = "day"
limit_usd = "5"
at_limit = "alert"
"""
EVENT = (
    b'data: {"id":"chatcmpl-odd","object":"chat.completion.chunk","created":1,"model":'
    b'"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}'
    b"\n\n"
)
Pack = Callable[[bytes], bytes]


def element(text: str, **candidate: str) -> bytes:
    """One of Gemini's answers, as it stands in an array."""
    content = {"parts": [{"text": text}], "role": "model"}
    answer = {
        "candidates": [{"content": content, "index": 0, **candidate}],
        "modelVersion": "gemini-2.5-flash",
    }
    return json.dumps(answer, indent=2).encode()


def chunked(
    content_type: bytes, stream: bytes, piece_bytes: int, *headers: bytes, pack: Pack = bytes
) -> Behaviour:
    """Sends a stream in pieces, each packed on its own, until nobody reads on."""

    def answer(connection: socket.socket) -> bool:
        lines = (b"HTTP/1.1 200 OK", b"content-type: " + content_type, *headers)
        connection.sendall(b"\r\n".join((*lines, b"transfer-encoding: chunked", b"", b"")))
        for start in range(0, len(stream), piece_bytes):
            piece = pack(stream[start : start + piece_bytes])
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        return False

    return answer


@contextlib.contextmanager
def gateway_before(models: Mapping[str, Behaviour], folder: Path) -> Iterator[str]:
    """Its address; the ``user`` of a request says which model answers it."""
    upstream = OddUpstream(models)
    config = gateway_config(folder, upstream.url)
    config.write_text(config.read_text() + BUDGETS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield gateway.url
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        upstream.close()
    check_ledger(folder / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()
