"""
Counts the tokens of a text as OpenAI's models do, where the vocabularies are installed.

Which model reads which encoding: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py.
The library carries the vocabularies; nothing is fetched when a call is made.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splintr import AnyTokenizer

__all__ = ["COUNTED_BYTES_MAX", "load_tokenizers", "tokens_saved"]

COUNTED_BYTES_MAX = 256 * 1024
"""Text of one request that is counted; the rest stands at its bytes. Some 3 ms at most."""

_SLACK_TOKENS = 8
"""What a text's neighbours in a prompt can add at its ends."""

_CHARACTERS_PER_TOKEN = 4
"""
What a token has on average, by rule of thumb: fewer tokens than by it are not believed of a text,
for servers that only speak OpenAI's dialect may count by it.
"""

_ENCODINGS = (
    (re.compile(r"gpt-(4o|4\.1|4\.5|5)|chatgpt-4o|o[134]"), "o200k_base"),
    (re.compile(r"gpt-(4|3\.5)|text-embedding-"), "cl100k_base"),
)


def tokens_saved(model: str, texts: Iterable[str]) -> int:
    """By how much the texts have fewer tokens than bytes; 0 where that cannot be told."""
    tokenizer = _tokenizer_of(model)
    if tokenizer is None:
        return 0
    saved, left = 0, COUNTED_BYTES_MAX
    for text in texts:
        size = len(text.encode())
        left -= size
        if left < 0:
            break
        # Marks such as <|endoftext|> are plain text in a request, and counted as that.
        tokens = len(tokenizer.encode_ordinary(text))
        tokens = max(tokens, -(-len(text) // _CHARACTERS_PER_TOKEN)) + _SLACK_TOKENS
        saved += max(size - tokens, 0)
    return saved


def load_tokenizers() -> bool:
    """Make ready what takes a moment; False if the vocabularies are not installed."""
    return all(_tokenizer(encoding) is not None for _, encoding in _ENCODINGS)


def _tokenizer_of(model: str) -> "AnyTokenizer | None":
    name = model.rpartition("/")[2].removeprefix("ft:")
    for pattern, encoding in _ENCODINGS:
        if pattern.match(name):
            return _tokenizer(encoding)
    return None


@cache
def _tokenizer(encoding: str) -> "AnyTokenizer | None":
    try:
        from splintr import Tokenizer
    except ImportError:
        return None
    return Tokenizer.from_pretrained(encoding)
