"""The objects of one top-level JSON array, as its bytes arrive."""

import re

from modelmeter.errors import WireError, WireFormatError, WireLimitError
from modelmeter.wire.fault import Fault

__all__ = ["DEPTH_MAX", "ELEMENT_BYTES_MAX", "JsonArrayDecoder"]

ELEMENT_BYTES_MAX = 16 * 1024 * 1024
"""An element of the array."""
DEPTH_MAX = 256
"""Objects and arrays within one another in an element."""

_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_GAP = re.compile(rb"[ \t\r\n,]*")
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_OPENING = frozenset(b"{[")


class JsonArrayDecoder:
    """
    Cuts an array of objects into its elements, whatever the chunks.

    Elements are found by their brackets outside strings and are not parsed. Once the stream is
    something else or too large, the decoder raises (after the elements that came before) and
    then takes nothing more.
    """

    def __init__(
        self, element_bytes_max: int = ELEMENT_BYTES_MAX, depth_max: int = DEPTH_MAX
    ) -> None:
        self._element_bytes_max = element_bytes_max
        self._depth_max = depth_max
        self._fault = Fault()
        self._held = bytearray()
        self._dropped = 0
        self._elements_end = 0
        self._scanned = 0
        self._depth = 0
        self._in_string = False
        self._opened = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """The array's closing bracket went by."""
        return self._closed

    @property
    def elements_end(self) -> int:
        """How many bytes there were up to the end of the last whole element; 0: there is none."""
        return self._elements_end

    def feed(self, chunk: bytes) -> list[bytes]:
        """
        Take the next bytes and give the elements they complete.

        Raises:
            WireFormatError: not an array of objects.
            WireLimitError: an element is larger or deeper than the cap.
        """
        if self._fault.met:
            self._fault.settle()
            return []
        self._held += chunk
        elements: list[bytes] = []
        try:
            self._take_elements(elements)
        except WireError as error:
            self._held.clear()
            self._fault.meet(error, results=elements)
        return elements

    def _take_elements(self, elements: list[bytes]) -> None:
        held = self._held
        start = 0
        while True:
            if not self._depth:
                start = self._skip_gap(start)
                if start == len(held):
                    break
                self._scanned = start
            end = self._find_element_end()
            if (end or len(held)) - start > self._element_bytes_max:
                raise WireLimitError(
                    f"an element of the array is larger than {self._element_bytes_max} bytes"
                )
            if end is None:
                break
            elements.append(bytes(held[start:end]))
            start = end
            self._elements_end = self._dropped + end
        del held[:start]
        self._dropped += start
        self._scanned -= min(start, self._scanned)

    def _skip_gap(self, start: int) -> int:
        """Pass what stands between elements; the position of the next element's brace."""
        held = self._held
        while True:
            gap = _GAP.match(held, start)
            start = start if gap is None else gap.end()
            if start == len(held):
                return start
            byte = held[start]
            if not self._opened and byte == 0x5B:
                self._opened = True
            elif self._opened and not self._closed and byte == 0x5D:
                self._closed = True
            elif self._opened and not self._closed and byte == 0x7B:
                return start
            else:
                raise WireFormatError("the stream is not a JSON array of objects")
            start += 1

    def _find_element_end(self) -> int | None:
        held = self._held
        while True:
            found = (_IN_STRING if self._in_string else _STRUCTURE).search(held, self._scanned)
            if found is None:
                self._scanned = len(held)
                return None
            at = found.start()
            byte = held[at]
            if byte == _BACKSLASH:
                if at + 1 == len(held):
                    self._scanned = at
                    return None
                self._scanned = at + 2
                continue
            self._scanned = at + 1
            if byte == _QUOTE:
                self._in_string = not self._in_string
            elif byte in _OPENING:
                self._depth += 1
                if self._depth > self._depth_max:
                    raise WireLimitError(f"an element is deeper than {self._depth_max}")
            else:
                self._depth -= 1
                if not self._depth:
                    return at + 1
