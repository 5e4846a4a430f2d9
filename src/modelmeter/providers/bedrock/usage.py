"""
Bedrock's counting, by the shape of the answer.

Converse and Nova: input holds no cache
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html).
Invoked models answer in their makers' shapes
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
"""

import msgspec

from modelmeter.providers.anthropic.usage import anthropic_tokens, read_usage
from modelmeter.providers.bodies import ABSENT, UnbelievableCountError, count, is_absent
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.record import TokenCounts

__all__ = ["converse_tokens", "invocation_tokens", "invoked_tokens"]


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: object = None
    input_tokens: object = None


class _ConverseUsage(msgspec.Struct, rename="camel"):
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    cache_read_input_token_count: object = None
    cache_write_input_token_count: object = None
    cache_details: list[_CacheDetail] | None = None


class _InvocationMetrics(msgspec.Struct, rename="camel"):
    input_token_count: object = None
    output_token_count: object = None
    cache_read_input_token_count: object = None
    cache_write_input_token_count: object = None


class _Result(msgspec.Struct, rename="camel"):
    token_count: object = None


class _Invoked(msgspec.Struct):
    usage: msgspec.Raw = ABSENT
    prompt_token_count: object = None
    generation_token_count: object = None
    titan_input: object = msgspec.field(default=None, name="inputTextTokenCount")
    results: list[_Result] | None = None


_converse_decoder = msgspec.json.Decoder(_ConverseUsage)
_metrics_decoder = msgspec.json.Decoder(_InvocationMetrics)
_invoked_decoder = msgspec.json.Decoder(_Invoked)

Counted = tuple[TokenCounts | None, str | None]


def converse_tokens(usage: msgspec.Raw) -> Counted:
    """The counts of a Converse ``usage``, or None and why they cannot be believed."""
    try:
        return _converse(_converse_decoder.decode(usage)), None
    except UnbelievableCountError as error:
        return None, str(error)
    except msgspec.DecodeError as error:
        return None, f"the provider's usage cannot be read: {error}"


def invocation_tokens(metrics: msgspec.Raw) -> Counted:
    """The counts of ``amazon-bedrock-invocationMetrics``, which end an invoked stream."""
    try:
        usage = _metrics_decoder.decode(metrics)
        return TokenCounts(
            input=count(usage.input_token_count),
            output=count(usage.output_token_count),
            cache_read=count(usage.cache_read_input_token_count),
            cache_write_5m=count(usage.cache_write_input_token_count),
        ), None
    except UnbelievableCountError as error:
        return None, str(error)
    except msgspec.DecodeError as error:
        return None, f"the provider's usage cannot be read: {error}"


def invoked_tokens(body: bytes) -> Counted:
    """The counts in an invoked model's own answer, or None and why there are none."""
    try:
        answer = _invoked_decoder.decode(body)
        if not is_absent(answer.usage):
            return _of_usage(answer.usage)
        if answer.titan_input is not None:
            outputs = [count(result.token_count) for result in answer.results or []]
            return TokenCounts(input=count(answer.titan_input), output=sum(outputs)), None
        if answer.prompt_token_count is not None or answer.generation_token_count is not None:
            return TokenCounts(
                input=count(answer.prompt_token_count), output=count(answer.generation_token_count)
            ), None
    except UnbelievableCountError as error:
        return None, str(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, f"the provider's usage cannot be read: {error}"
    return None, "the provider reported no usage"


def _of_usage(usage: msgspec.Raw) -> Counted:
    text = bytes(usage)
    if b'"inputTokens"' in text:
        return converse_tokens(usage)
    if b'"prompt_tokens"' in text:
        return openai_tokens(usage)
    counts, note = read_usage(usage)
    return (None, note) if counts is None else anthropic_tokens(counts)


def _converse(usage: _ConverseUsage) -> TokenCounts:
    read = count(usage.cache_read_input_tokens) or count(usage.cache_read_input_token_count)
    written = count(usage.cache_write_input_tokens) or count(usage.cache_write_input_token_count)
    details = usage.cache_details or []
    for_an_hour = sum(count(detail.input_tokens) for detail in details if detail.ttl == "1h")
    if for_an_hour > written:
        raise UnbelievableCountError("the provider's usage contradicts itself")
    return TokenCounts(
        input=count(usage.input_tokens),
        output=count(usage.output_tokens),
        cache_read=read,
        cache_write_5m=written - for_an_hour,
        cache_write_1h=for_an_hour,
    )
