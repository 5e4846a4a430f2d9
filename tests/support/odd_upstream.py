"""An upstream that breaks HTTP on purpose: raw sockets, one behaviour a user's name."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping

__all__ = [
    "ANSWER",
    "EVENTS",
    "HEAD",
    "ROLE",
    "WORD",
    "Behaviour",
    "OddUpstream",
    "falls_silent_after",
    "resets_after",
    "usual",
]

Behaviour = Callable[[socket.socket], bool]
"""Answers one request on its connection; True leaves the connection open for the next."""

ANSWER = (
    b'{"id":"chatcmpl-odd","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
ROLE = (
    b'data: {"id":"chatcmpl-odd","object":"chat.completion.chunk","created":1,"model":"gpt-4o",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
)
WORD = ROLE.replace(b'"content":""', b'"content":"Good morning"')
"""The head of a stream, its first event, and its first word."""
WAIT_SECONDS_MAX = 30.0
_USER = re.compile(rb'"user": ?"([^"]+)"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def usual(connection: socket.socket) -> bool:
    """A proper answer."""
    connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
    return True


def resets_after(sent: bytes) -> Behaviour:
    """Bytes, then a reset."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(sent)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behave


def falls_silent_after(sent: bytes) -> Behaviour:
    """Bytes, then nothing for as long as anybody waits."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(sent)
        while connection.recv(65536):
            pass
        return False

    return behave


class OddUpstream:
    """Serves each connection in a thread; a request's ``user`` says which behaviour answers it."""

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        self._behaviours = behaviours
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: dict[str, bytes] = {}
        """The head of the latest request by its user."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(WAIT_SECONDS_MAX)
        with connection:
            try:
                while (name := self._read_request(connection)) is not None:
                    if not self._behaviours[name](connection):
                        return
            except OSError:
                return

    def _read_request(self, connection: socket.socket) -> str | None:
        """Read one request; its user, or None if the peer has closed."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            seen += chunk
        head, _, body = seen.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        wanted = 0 if length is None else int(length.group(1))
        while len(body) < wanted:
            body += connection.recv(65536)
        user = _USER.search(body)
        name = "usual" if user is None else user.group(1).decode()
        self.heads[name] = head
        return name
