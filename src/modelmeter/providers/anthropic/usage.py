"""
Anthropic's counting: ``input_tokens`` holds neither cache reads nor cache writes.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching (tracking cache
performance) and https://docs.anthropic.com/en/api/messages (usage).
"""

import msgspec
from msgspec.structs import astuple

from modelmeter.providers.bodies import UNREADABLE, UnbelievableCountError, count, is_absent
from modelmeter.record import NO_TOOLS, TokenCounts, ToolCalls

__all__ = ["AnthropicUsage", "anthropic_tokens", "merge_usage", "read_usage"]


class CacheCreation(msgspec.Struct, frozen=True):
    """Cache writes by lifetime."""

    ephemeral_5m_input_tokens: object = None
    ephemeral_1h_input_tokens: object = None


class OutputDetails(msgspec.Struct, frozen=True):
    """Parts of the output."""

    thinking_tokens: object = None


class ServerToolUse(msgspec.Struct, frozen=True):
    """Calls of tools that the provider runs and bills by the call."""

    web_search_requests: object = None
    code_execution_requests: object = None


class _Iteration(msgspec.Struct, frozen=True):
    """One pass of a model over a conversation that was compacted, with counts of its own."""

    type: object = None
    input_tokens: object = None
    output_tokens: object = None
    cache_creation_input_tokens: object = None
    cache_read_input_tokens: object = None
    cache_creation: CacheCreation | None = None


class AnthropicUsage(msgspec.Struct, frozen=True):
    """A ``usage`` object; counts as they came, believable or not."""

    input_tokens: object = None
    output_tokens: object = None
    cache_creation_input_tokens: object = None
    cache_read_input_tokens: object = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: object = None
    speed: object = None
    inference_geo: object = None
    iterations: object = None
    """
    Passes whose counts the others do not hold, all of which are billed: those that compacted the
    conversation (https://platform.claude.com/docs/en/build-with-claude/compaction), and those of
    an advisor, at the prices of its own model
    (https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool).
    """

    @property
    def tier(self) -> str | None:
        """The tier that served the call; fast mode is told apart from it."""
        if self.speed == _FAST:
            return _FAST
        return self.service_tier if isinstance(self.service_tier, str) else None

    @property
    def region(self) -> str | None:
        """Where the model ran: "us" or "global"; None where the answer does not tell."""
        return self.inference_geo if isinstance(self.inference_geo, str) else None

    @property
    def tools(self) -> ToolCalls:
        """Tools beside the tokens; a count that cannot be believed is none."""
        used, advice = self.server_tool_use, _consultations(self.iterations)
        if used is None:
            return ToolCalls(advice=advice) if advice else NO_TOOLS
        return ToolCalls(
            web_search=_believed(used.web_search_requests),
            code_execution=_believed(used.code_execution_requests),
            advice=advice,
        )


_FAST = "fast"
_COMPACTION = "compaction"
_ADVICE = "advisor_message"

_decoder = msgspec.json.Decoder(AnthropicUsage)
_CONTRADICTION = "the provider's usage contradicts itself"


def read_usage(usage: msgspec.Raw) -> tuple[AnthropicUsage | None, str | None]:
    """The ``usage`` object, or None and why it cannot be read."""
    if is_absent(usage):
        return None, None
    try:
        return _decoder.decode(usage), None
    except UNREADABLE as error:
        return None, f"the provider's usage cannot be read: {error}"


def merge_usage(old: AnthropicUsage | None, new: AnthropicUsage) -> AnthropicUsage:
    """What a stream has reported so far: counts are cumulative, so the newer one stands."""
    if old is None:
        return new
    return AnthropicUsage(
        **{
            name: getattr(old, name) if getattr(new, name) is None else getattr(new, name)
            for name in AnthropicUsage.__struct_fields__
        }
    )


def _consultations(iterations: object) -> int:
    if not isinstance(iterations, list):
        return 0
    return sum(isinstance(one, dict) and one.get("type") == _ADVICE for one in iterations)


def _believed(requests: object) -> int:
    try:
        return count(requests)
    except UnbelievableCountError:
        return 0


def anthropic_tokens(usage: AnthropicUsage) -> tuple[TokenCounts | None, str | None]:
    """The disjoint counts, or None and why they cannot be believed."""
    try:
        tokens = _disjoint(usage)
        return _with_compaction(tokens, usage.iterations), None
    except UnbelievableCountError as error:
        return None, str(error)


def _with_compaction(tokens: TokenCounts, iterations: object) -> TokenCounts:
    """The counts with those of the passes that compacted the conversation."""
    if not isinstance(iterations, list) or not iterations:
        return tokens
    try:
        passes = msgspec.convert(iterations, list[_Iteration])
    except msgspec.ValidationError as error:
        raise UnbelievableCountError(
            f"the provider's iterations cannot be read: {error}"
        ) from error
    sums = list(astuple(tokens))
    for one in passes:
        if one.type != _COMPACTION:
            continue
        counted = _disjoint(
            AnthropicUsage(
                input_tokens=one.input_tokens,
                output_tokens=one.output_tokens,
                cache_creation_input_tokens=one.cache_creation_input_tokens,
                cache_read_input_tokens=one.cache_read_input_tokens,
                cache_creation=one.cache_creation,
            )
        )
        sums = [have + more for have, more in zip(sums, astuple(counted), strict=True)]
    return TokenCounts(*sums)


def _disjoint(usage: AnthropicUsage) -> TokenCounts:
    if usage.input_tokens is None or usage.output_tokens is None:
        raise UnbelievableCountError("the provider's usage lacks its counts")
    written = count(usage.cache_creation_input_tokens)
    split = usage.cache_creation or CacheCreation()
    for_an_hour = count(split.ephemeral_1h_input_tokens)
    for_minutes = count(split.ephemeral_5m_input_tokens)
    if usage.cache_creation_input_tokens is not None:
        # Writes of unstated lifetime have the default one of five minutes.
        unstated = written - for_an_hour - for_minutes
        if unstated < 0:
            raise UnbelievableCountError(_CONTRADICTION)
        for_minutes += unstated
    output = count(usage.output_tokens)
    details = usage.output_tokens_details
    thinking = 0 if details is None else count(details.thinking_tokens)
    if thinking > output:
        raise UnbelievableCountError(_CONTRADICTION)
    return TokenCounts(
        input=count(usage.input_tokens),
        cache_read=count(usage.cache_read_input_tokens),
        cache_write_5m=for_minutes,
        cache_write_1h=for_an_hour,
        output=output - thinking,
        reasoning=thinking,
    )
