"""
The answer to one HTTP/1.1 request, parsed as its bytes come.

The parser is llhttp in its strict mode, which refuses what two readers could read differently:
RFC 9112, https://www.rfc-editor.org/rfc/rfc9112
"""

import httptools

from modelmeter.errors import WireFormatError, WireLimitError

__all__ = ["HttpAnswer"]

_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


class _UnusableAnswerError(Exception):
    """Stops the parser: what comes is no answer to the request."""


class HttpAnswer:
    """
    Status and headers once ``head_complete``, then the body by pieces until ``ended``.

    A body without a length ends where the connection ends; one with a length must come whole.
    """

    __slots__ = (
        "_announces",
        "_chunks",
        "_head_bytes",
        "_head_bytes_max",
        "_length_known",
        "_parser",
        "_without_body",
        "ended",
        "head_complete",
        "headers",
        "keeps_alive",
        "status",
        "unread_bytes",
    )

    def __init__(self, *, head_bytes_max: int, without_body: bool = False) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Names in lower case."""
        self.head_complete = False
        self.ended = False
        self.keeps_alive = False
        """The connection can carry another exchange; known when the answer has ended."""
        self.unread_bytes = 0
        self._head_bytes_max = head_bytes_max
        self._head_bytes = 0
        self._without_body = without_body
        self._announces = False
        self._length_known = False
        self._chunks: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """
        Take the next bytes of the connection.

        Raises:
            WireFormatError: this is no valid answer, or more than one.
            WireLimitError: the head is larger than allowed.
        """
        in_head = not self.head_complete
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keeps_alive = False
            raise WireFormatError(f"no valid HTTP answer ({type(error).__name__})") from error
        if in_head:
            self._head_bytes += len(data)
            if not self.head_complete and self._head_bytes > self._head_bytes_max:
                raise WireLimitError("the head of the answer is larger than allowed")

    def close(self, *, broken: bool = False) -> None:
        """
        The connection has ended, or broke.

        Raises:
            WireFormatError: the answer is cut short.
        """
        self.keeps_alive = False
        if self.ended:
            return
        if broken or not self.head_complete or self._length_known:
            raise WireFormatError("the connection ended before the answer did")
        self.ended = True

    def take(self) -> bytes:
        """The bytes of the body that have come since the last call."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = []
        self.unread_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def release(self) -> None:
        """Nothing more is fed: parser and answer, which hold each other, let go."""
        del self._parser

    # What the parser calls

    def on_message_begin(self) -> None:
        """An answer begins; a second one to the same request is refused."""
        if self.ended:
            raise _UnusableAnswerError

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after the body, which nobody reads."""
        if self.head_complete:
            return
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._length_known = True
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._head_bytes_max:
            raise _UnusableAnswerError
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; one with a status of 1xx only announces another."""
        self.status = self._parser.get_status_code()
        if self.status == _SWITCHING_PROTOCOLS:
            raise _UnusableAnswerError
        if self.status < _FIRST_FINAL_STATUS:
            self._announces = True
            return
        self.head_complete = True
        if self._without_body:
            # The parser would wait for the body that the head describes.
            self.ended = True
        else:
            self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Bytes of the body."""
        self._chunks.append(body)
        self.unread_bytes += len(body)

    def on_message_complete(self) -> None:
        """The answer is complete, or only announced another."""
        if self._announces:
            self._announces = False
            self._length_known = False
            self.headers = []
        else:
            self.ended = True
