"""
Bedrock's counting, by the shape of the answer.

Converse and Nova: input holds no cache
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html).
Invoked models answer in their makers' shapes
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
"""

import msgspec

from modelmeter.providers.anthropic.usage import anthropic_tokens, read_usage
from modelmeter.providers.bedrock.invoked import InvokedBody
from modelmeter.providers.bodies import (
    ABSENT,
    UNREADABLE,
    UnbelievableCountError,
    count,
    is_absent,
)
from modelmeter.providers.contract import AnswerHead
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.record import TokenCounts

__all__ = [
    "NO_USAGE",
    "Counted",
    "converse_tokens",
    "header_tokens",
    "invocation_tokens",
    "invoked_tokens",
]

_COUNT_HEADERS = (
    b"input-token-count",
    b"output-token-count",
    b"cache-read-input-token-count",
    b"cache-write-input-token-count",
)
_COUNT_DIGITS_MAX = 10
NO_USAGE = "the provider reported no usage"

Counted = tuple[TokenCounts | None, str | None]
"""The counts, or None and why there are none."""


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: object = None
    input_tokens: object = None


class _ConverseUsage(msgspec.Struct, rename="camel"):
    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_write_input_tokens: object = None
    cache_read_input_token_count: object = None
    """Nova's own name for it."""
    cache_write_input_token_count: object = None
    cache_details: list[_CacheDetail] | None = None


class _InvocationMetrics(msgspec.Struct, rename="camel"):
    input_token_count: object = None
    output_token_count: object = None
    cache_read_input_token_count: object = None
    cache_write_input_token_count: object = None


class _Result(msgspec.Struct, rename="camel"):
    token_count: object = None


class _Metadata(msgspec.Struct):
    usage: msgspec.Raw = ABSENT


_converse_decoder = msgspec.json.Decoder(_ConverseUsage)
_metrics_decoder = msgspec.json.Decoder(_InvocationMetrics)
_results_decoder = msgspec.json.Decoder(list[_Result])
_metadata_decoder = msgspec.json.Decoder(_Metadata)


def converse_tokens(usage: msgspec.Raw) -> Counted:
    """The counts of a Converse ``usage``, or None and why they cannot be believed."""
    if is_absent(usage):
        return None, NO_USAGE
    try:
        return _converse(_converse_decoder.decode(usage)), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, _unreadable(error)


def invocation_tokens(metrics: msgspec.Raw) -> Counted:
    """The counts of ``amazon-bedrock-invocationMetrics``, which end an invoked stream."""
    try:
        usage = _metrics_decoder.decode(metrics)
        return TokenCounts(
            input=_needed(usage.input_token_count),
            output=_needed(usage.output_token_count),
            cache_read=count(usage.cache_read_input_token_count),
            cache_write_5m=count(usage.cache_write_input_token_count),
        ), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, _unreadable(error)


def invoked_tokens(body: InvokedBody) -> Counted:
    """The model's own counts in its answer or in the chunk that holds them all."""
    try:
        if not is_absent(body.usage):
            return _of_usage(body.usage)
        if not is_absent(body.metadata):
            return converse_tokens(_metadata_decoder.decode(body.metadata).usage)
        if body.titan_input is not None:
            return _titan(body), None
        if body.llama_input is not None:
            return TokenCounts(
                input=count(body.llama_input), output=_needed(body.llama_output)
            ), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, _unreadable(error)
    return None, NO_USAGE


def header_tokens(head: AnswerHead) -> TokenCounts | None:
    """
    The counts in the headers of an invoked model's answer, if they stand there.

    An embedding has no count of output.
    """
    try:
        given, made, read, written = (
            _header_count(head.header(b"x-amzn-bedrock-" + name)) for name in _COUNT_HEADERS
        )
        if given is None:
            return None
        return TokenCounts(
            input=given, output=count(made), cache_read=count(read), cache_write_5m=count(written)
        )
    except UnbelievableCountError:
        return None


def _header_count(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > _COUNT_DIGITS_MAX:
        raise UnbelievableCountError(f"the provider reported {text[:40]!r} tokens")
    return count(int(text))


def _of_usage(usage: msgspec.Raw) -> Counted:
    text = bytes(usage)
    if b'"inputTokens"' in text:
        return converse_tokens(usage)
    if b'"prompt_tokens"' in text:
        return openai_tokens(usage)
    counts, note = read_usage(usage)
    if counts is None:
        return None, note
    if counts.input_tokens is None or counts.output_tokens is None:
        return None, "the provider's usage names no counts that are known"
    return anthropic_tokens(counts)


def _converse(usage: _ConverseUsage) -> TokenCounts:
    read = count(usage.cache_read_input_tokens) or count(usage.cache_read_input_token_count)
    written = count(usage.cache_write_input_tokens) or count(usage.cache_write_input_token_count)
    details = usage.cache_details or []
    detailed = sum(count(detail.input_tokens) for detail in details)
    for_an_hour = sum(count(detail.input_tokens) for detail in details if detail.ttl == "1h")
    if usage.cache_write_input_tokens is None and usage.cache_write_input_token_count is None:
        written = detailed
    if detailed > written:
        raise UnbelievableCountError("the provider's usage contradicts itself")
    return TokenCounts(
        input=_needed(usage.input_tokens),
        output=_needed(usage.output_tokens),
        cache_read=read,
        cache_write_5m=written - for_an_hour,
        cache_write_1h=for_an_hour,
    )


def _titan(body: InvokedBody) -> TokenCounts:
    """An embedding has no results."""
    results = [] if is_absent(body.results) else _results_decoder.decode(body.results)
    return TokenCounts(
        input=count(body.titan_input), output=sum(_needed(result.token_count) for result in results)
    )


def _needed(value: object) -> int:
    """Without a count that every answer has, 0 would be a guess."""
    if value is None:
        raise UnbelievableCountError("the provider's usage lacks a count")
    return count(value)


def _unreadable(error: Exception) -> str:
    return f"the provider's usage cannot be read: {error}"
