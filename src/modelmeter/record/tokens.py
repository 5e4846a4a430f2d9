"""Token counts in disjoint kinds, so that they add up."""

import msgspec

__all__ = ["TOKEN_TYPES", "TokenCounts"]

TOKEN_TYPES = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
)
"""The values of a metric's ``token_type``; cache writes of both lifetimes count as one."""


class TokenCounts(msgspec.Struct, frozen=True):
    """
    What a call used, each token in exactly one kind, none negative.

    Providers differ in what includes what; `modelmeter.providers` takes their counts apart, so
    that here ``input`` never holds cached tokens and ``output`` never holds reasoning.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0

    @property
    def total(self) -> int:
        """All tokens of all kinds."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.output
            + self.reasoning
            + self.audio_input
            + self.audio_output
            + self.image_input
            + self.image_output
        )

    def by_type(self) -> tuple[int, ...]:
        """The counts in the order of `TOKEN_TYPES`."""
        return (
            self.input,
            self.output,
            self.cache_read,
            self.cache_write_5m + self.cache_write_1h,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.image_input,
            self.image_output,
        )
