"""What a provider reports of its counts: the truth, nothing, or nonsense on request."""

from modelmeter.simulator.directive import Directive

__all__ = ["reported_usage"]

_PARTS = frozenset(
    {
        "cached_tokens",
        "reasoning_tokens",
        "cachedContentTokenCount",
        "ephemeral_5m_input_tokens",
        "thinking_tokens",
    }
)
"""Counts that are part of another one."""

_TOTALS = frozenset({"total_tokens", "totalTokens", "totalTokenCount"})
_TOO_MANY = 1_000_000


def reported_usage(usage: dict[str, object], directive: Directive) -> dict[str, object] | None:
    """Give ``usage`` as the directive wants it told; None if it shall not be told at all."""
    if directive.no_usage:
        return None
    if directive.usage_invalid is None:
        return usage
    return {key: _spoilt(key, value, directive.usage_invalid) for key, value in usage.items()}


def _spoilt(key: str, value: object, how: str) -> object:
    if isinstance(value, dict):
        return {inner: _spoilt(inner, each, how) for inner, each in value.items()}
    if isinstance(value, list):
        return [_spoilt(key, each, how) for each in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if how == "negative":
        return -value
    if how == "string":
        return str(value)
    if key in _PARTS:
        return value + _TOO_MANY
    return 1 if key in _TOTALS else value
