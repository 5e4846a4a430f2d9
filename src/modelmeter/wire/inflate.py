"""Decompression of a body that is watched, with a cap on what comes out of it."""

import zlib
from typing import Protocol

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.fault import Fault

__all__ = ["OUTPUT_BYTES_MAX", "RATIO_MAX", "CappedInflater"]

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
"""What one body may become."""
RATIO_MAX = 200
"""How many bytes may come out of one, once there are more than `RATIO_FREE_BYTES`."""
RATIO_FREE_BYTES = 64 * 1024
"""Output below this is never too much for its input: blanks compress well."""

_GZIP = 16 + zlib.MAX_WBITS
_INPUT_BYTES = 4096
"""Input is taken in pieces of this size, for zlib copies what follows each gzip member."""
_ENCODINGS = {
    "": "identity",
    "identity": "identity",
    "gzip": "gzip",
    "x-gzip": "gzip",
    "deflate": "deflate",
}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = 0) -> bytes: ...


class CappedInflater:
    """
    Turns a body of one ``content-encoding`` into plain bytes as it arrives.

    It raises once; from then on it takes nothing more.
    """

    def __init__(
        self,
        encoding: str,
        output_bytes_max: int = OUTPUT_BYTES_MAX,
        ratio_max: int = RATIO_MAX,
    ) -> None:
        """
        Raises:
            WireFormatError: ``encoding`` is none of gzip, deflate, identity.
        """
        known = _ENCODINGS.get(encoding.strip().lower())
        if known is None:
            raise WireFormatError(f"content-encoding {encoding[:40]!r} cannot be read")
        self._encoding = known
        self._output_bytes_max = output_bytes_max
        self._ratio_max = ratio_max
        self._fault = Fault()
        self._inflater: _Decompressor | None = None
        self._first = b""
        self._members = 0
        self._input_bytes = 0
        self._output_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """
        Take the next bytes and give what they decompress to.

        Raises:
            WireFormatError: the bytes are not of the encoding.
            WireLimitError: too much comes out, in all or for what went in.
        """
        if self._fault.met:
            return b""
        try:
            if self._encoding == "identity":
                return self._counted(chunk)
            return b"".join(
                self._inflate(chunk[start : start + _INPUT_BYTES])
                for start in range(0, len(chunk), _INPUT_BYTES)
            )
        except zlib.error as error:
            failure: WireError = WireFormatError(f"the body is not {self._encoding}")
            failure.__cause__ = error
        except WireError as error:
            failure = error
        self._fault.meet(failure, results=None)
        return b""

    def _inflate(self, data: bytes) -> bytes:
        self._input_bytes += len(data)
        output = []
        while data:
            if self._inflater is None:
                data = self._open(data)
                if self._inflater is None:
                    break
            # One byte more than allowed, so that the cap is noticed and not met by chance.
            room = self._output_bytes_max - self._output_bytes + 1
            piece = self._inflater.decompress(data, room)
            output.append(self._counted(piece))
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                data = self._inflater.unused_data
                self._inflater = None
                self._members += 1
        return b"".join(output)

    def _open(self, data: bytes) -> bytes:
        """Start a member; the bytes to give it, or nothing if they are too few to tell."""
        if self._encoding == "gzip":
            # Some servers fill the last block with zeros.
            data = data.lstrip(b"\0") if self._members else data
            self._inflater = zlib.decompressobj(_GZIP) if data else None
            return data
        if self._members:
            raise WireFormatError("the deflate body goes on after its end")
        data = self._first + data
        if len(data) < 2:
            self._first = data
            return b""
        # RFC 9110 8.4.1.2: deflate means zlib's format, and some send the bare one.
        wrapped = data[0] & 0x0F == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return data

    def _counted(self, output: bytes) -> bytes:
        self._output_bytes += len(output)
        if self._output_bytes > self._output_bytes_max:
            raise WireLimitError(f"the body is larger than {self._output_bytes_max} bytes")
        if (
            self._encoding != "identity"
            and self._output_bytes > RATIO_FREE_BYTES
            and self._output_bytes > self._input_bytes * self._ratio_max
        ):
            raise WireLimitError(
                f"the body decompresses to more than {self._ratio_max} times its size"
            )
        return output
