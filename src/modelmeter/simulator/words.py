"""What a simulated model says: words, JSON that fits a schema, vectors, and ids."""

import hashlib
import math
from array import array
from functools import lru_cache
from random import Random
from string import ascii_letters, digits

import msgspec

from modelmeter.simulator.draws import seeded_random

__all__ = ["Ids", "fitting_json", "json_pieces", "vector", "word_pieces"]

_WORDS = (
    "the of and to a in is that it for on with as this by from at are be or which an can will "
    "not have one all more when so if also then two other each use first than time used "
    "agenda budget invoice meeting summary customer ticket refund forecast quarter revenue "
    "margin risk cash flow report draft review answer question source evidence claim paper "
    "result method sample error latency region service release owner decision action item "
    "follow priority status update plan goal team minutes note policy account balance order "
    "shipment delay issue cause fix test data model metric trend average median total share "
    "growth decline increase change compare explain suggest confirm propose estimate check "
    "café naïve Zürich 東京 données größer année 😀 ≥ €"
)
_ENDINGS = (".", ",", ".", ":", ",")
_CORPUS_PIECES = 8_192
_POOL_VALUES = 16_384
_JSON_DEPTH_MAX = 6
_BASE62 = (digits + ascii_letters).encode()
_BASE62_TABLE = bytes(_BASE62[byte % 62] for byte in range(256))
_PIECE_CHARACTERS = 4


class Ids:
    """The ids of one answer: equal for an equal seed, serial number and label, else distinct."""

    __slots__ = ("_key",)

    def __init__(self, seed: int, serial: int) -> None:
        self._key = f"{seed}:{serial}:"

    def base62(self, label: str, length: int) -> str:
        """Give up to 64 letters and digits."""
        digest = hashlib.blake2b((self._key + label).encode(), digest_size=64).digest()
        return digest[:length].translate(_BASE62_TABLE).decode()

    def hex(self, label: str, length: int) -> str:
        """Give up to 128 lower-case hexadecimal digits."""
        return hashlib.blake2b((self._key + label).encode(), digest_size=64).hexdigest()[:length]

    def uuid(self, label: str) -> str:
        """Give a UUID of version 4's form."""
        text = self.hex(label, 32)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


@lru_cache(maxsize=1)
def _corpus() -> tuple[str, ...]:
    random = seeded_random(0x10E)
    words = _WORDS.split()
    pieces: list[str] = []
    for _ in range(_CORPUS_PIECES):
        if pieces and pieces[-1] not in _ENDINGS and random.random() < 0.12:
            pieces.append(random.choice(_ENDINGS))
        else:
            pieces.append(" " + random.choice(words))
    return tuple(pieces)


def word_pieces(random: Random, count: int) -> tuple[str, ...]:
    """Give ``count`` pieces of text, a token each, not all of them ASCII."""
    if count <= 0:
        return ()
    corpus = _corpus()
    start = random.randrange(_CORPUS_PIECES)
    if corpus[start] in _ENDINGS:
        start -= 1
    pieces = list(corpus[start : start + count])
    while len(pieces) < count:
        pieces.extend(corpus[: count - len(pieces)])
    pieces[0] = pieces[0].strip().capitalize()
    return tuple(pieces)


def json_pieces(value: object) -> tuple[str, ...]:
    """Write ``value`` as JSON, parted into pieces of a token's size."""
    text = msgspec.json.encode(value).decode()
    return tuple(
        text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)
    )


def fitting_json(schema: object, random: Random, depth: int = 0) -> object:
    """Make a value that fits the common part of JSON Schema; an object where it says nothing."""
    if not isinstance(schema, dict) or depth > _JSON_DEPTH_MAX:
        return "".join(word_pieces(random, 3))
    for alternatives in (schema.get("enum"), schema.get("anyOf")):
        if isinstance(alternatives, list) and alternatives:
            first = alternatives[0]
            return first if "enum" in schema else fitting_json(first, random, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    name = kind.lower() if isinstance(kind, str) else "object"
    if name == "array":
        return [fitting_json(schema.get("items"), random, depth + 1) for _ in range(2)]
    if name == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties:
            return {} if depth else {"answer": "".join(word_pieces(random, 12)), "sure": True}
        return {str(key): fitting_json(each, random, depth + 1) for key, each in properties.items()}
    return _fitting_scalar(name, random)


def _fitting_scalar(name: str, random: Random) -> object:
    if name == "integer":
        return random.randrange(1, 100)
    if name == "number":
        return round(random.uniform(0, 100), 2)
    if name == "boolean":
        return random.random() < 0.5
    if name == "null":
        return None
    return "".join(word_pieces(random, 3))


@lru_cache(maxsize=1)
def _vector_pool() -> "array[float]":
    random = seeded_random(0xEBED)
    return array("f", (random.gauss(0.0, 1.0) for _ in range(_POOL_VALUES)))


def vector(random: Random, dimensions: int) -> "array[float]":
    """Give a unit vector of 32-bit floats, at most 4,096 of them."""
    pool = _vector_pool()
    start = random.randrange(_POOL_VALUES - dimensions)
    values = pool[start : start + dimensions]
    norm = math.sqrt(math.fsum(value * value for value in values))
    return array("f", [value / norm for value in values])
