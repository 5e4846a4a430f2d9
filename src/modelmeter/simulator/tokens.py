"""
Token counts as a real workload has them, drawn from its quantiles.

The figures are those of the Azure LLM inference dataset 2023 by Microsoft, licensed CC BY 4.0:
https://github.com/Azure/AzurePublicDataset/blob/master/AzureLLMInferenceDataset2023.md
"""

from bisect import bisect_right
from random import Random

__all__ = ["LEVELS", "QUANTILES", "draw_tokens", "tokens_at"]

LEVELS = (0.0, 0.01, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99, 1.0)
"""Where the quantiles lie; the lowest is set at half of the 1 % quantile."""

QUANTILES: dict[str, tuple[int, ...]] = {
    "conversation_input": (14, 29, 207, 396, 1020, 1189, 2735, 4142, 14050),
    "conversation_output": (8, 16, 54, 85, 129, 395, 424, 601, 1000),
    "code_input": (8, 17, 147, 578, 1469, 2745, 5194, 7436, 7437),
    "code_output": (3, 6, 7, 9, 13, 24, 55, 252, 1899),
}
"""Tokens at each level, of each kind of count."""


def draw_tokens(kind: str, random: Random) -> int:
    """
    Draw one count of ``kind``, a key of `QUANTILES`.

    Raises:
        KeyError: no such kind.
    """
    return tokens_at(kind, random.random())


def tokens_at(kind: str, level: float) -> int:
    """
    Give the count below which the share ``level`` (0 to 1) of the workload lies.

    Linear between the published quantiles.
    """
    quantiles = QUANTILES[kind]
    index = min(max(bisect_right(LEVELS, level) - 1, 0), len(LEVELS) - 2)
    low, high = LEVELS[index], LEVELS[index + 1]
    share = min(max((level - low) / (high - low), 0.0), 1.0)
    return round(quantiles[index] + share * (quantiles[index + 1] - quantiles[index]))
