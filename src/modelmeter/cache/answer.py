"""A stored answer: what a caller got, and what is known of it."""

import msgspec

from modelmeter.providers import ResponseFacts

__all__ = ["CachedAnswer", "decode_answer", "encode_answer"]

_ENTRY_BYTES = 512
"""About what keeping an answer costs beside its own bytes."""


class CachedAnswer(msgspec.Struct, frozen=True):
    """A whole, good answer, as its first caller got it."""

    body: bytes
    """As it went to the caller: a stream with all its events, in whatever form the door speaks."""
    facts: ResponseFacts
    """What pricing needs to say what a hit saves."""
    http_status: int = 200
    headers: list[tuple[bytes, bytes]] = []
    """Those that a hit repeats; names in lower case."""
    streamed: bool = False

    @property
    def size(self) -> int:
        """The bytes it counts for in a store."""
        headers = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.body) + headers + _ENTRY_BYTES


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CachedAnswer)


def encode_answer(answer: CachedAnswer) -> bytes:
    """For a store outside this process."""
    return _encoder.encode(answer)


def decode_answer(stored: bytes) -> CachedAnswer | None:
    """What `encode_answer` made; None: the bytes are none of ours, or of another version."""
    try:
        return _decoder.decode(stored)
    except msgspec.DecodeError:
        return None
