"""One usage as a provider returned it, on a line of JSON: which facts it holds."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated

import msgspec

from modelmeter.pricing.tiers import catalogue_tier
from modelmeter.pricing.vertex_embedding import embedding_facts
from modelmeter.providers import AnswerHead, Dialect, RequestFacts, ResponseFacts, dialect_for
from modelmeter.providers.bedrock.usage import invocation_tokens
from modelmeter.providers.bodies import ABSENT, is_absent
from modelmeter.record import Operation

__all__ = ["UsageLine", "facts_of", "kind_of", "provider_name", "served_tier"]

_PROVIDERS = MappingProxyType(
    {
        "google": "genai",
        "gemini": "genai",
        "vertex": "genai",
        "vertexai": "genai",
        "vertex_ai": "genai",
        "aws": "bedrock",
        "amazon": "bedrock",
    }
)
"""Other people's words for our providers."""
_KINDS = frozenset({"openai", "anthropic", "bedrock", "genai"})
_STREAM = "_stream"
_OPERATIONS = MappingProxyType(
    {
        "chat": (Operation.CHAT, "openai"),
        "chat_completions": (Operation.CHAT, "openai"),
        "completions": (Operation.TEXT_COMPLETION, "openai"),
        "responses": (Operation.RESPONSES, "openai"),
        "embeddings": (Operation.EMBEDDINGS, "openai"),
        "messages": (Operation.MESSAGES, "anthropic"),
        "converse": (Operation.CONVERSE, "bedrock"),
        "invoke_model": (Operation.INVOKE_MODEL, "bedrock"),
        "generatecontent": (Operation.GENERATE_CONTENT, "genai"),
        "genai-sdk-python": (Operation.GENERATE_CONTENT, "genai"),
        "embedcontent": (Operation.EMBED_CONTENT, "genai"),
        "batchembedcontents": (Operation.EMBED_CONTENT, "genai"),
        "predict": (Operation.EMBED_CONTENT, "genai"),
    }
)
"""What a line's ``api`` means: the operation, and whose wire format it is."""
_DEFAULTS = MappingProxyType(
    {
        "anthropic": Operation.MESSAGES,
        "bedrock": Operation.CONVERSE,
        "genai": Operation.GENERATE_CONTENT,
    }
)
_BATCH = "batch"
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream")]
_METRICS = b"amazon-bedrock-invocationMetrics"
_OK = 200
_SDK_MARKS = (b'"usage_metadata"', b'"grounding_metadata"')
"""Of answers of Google's Python SDK: https://googleapis.github.io/python-genai/."""

_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_dialects: dict[str, Dialect] = {}


Fees = Annotated[
    dict[
        Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")],
        Decimal,
    ],
    msgspec.Meta(max_length=20),
]
"""Amounts in USD by what they are for."""


class UsageLine(msgspec.Struct, frozen=True):
    """A line of input; what is not known of a call may be left out."""

    provider: str
    model: str
    id: msgspec.Raw = ABSENT
    api: str | None = None
    when: str | float | None = None
    """ISO date or time (UTC where it names no zone), or seconds since 1970; else now."""
    tier: str | None = None
    """The tier that served the call, by the caller's knowledge."""
    requested_tier: str | None = None
    region: str | None = None
    http_status: int | None = None
    raw_usage: msgspec.Raw = ABSENT
    """The usage object, or the list of a stream's events."""
    raw_response: msgspec.Raw = ABSENT
    """The answer, whole or in part; ``raw_usage`` stands in front of its usage."""
    raw_request: msgspec.Raw = ABSENT
    """The request, where it says what the answer does not: which tools were offered."""
    fees: Fees = {}
    """
    What the provider billed beside, in USD, by the caller's knowledge: of a tool by its name in
    `ToolCalls`, in place of what is known of it here, or by any other word.
    """


def provider_name(word: str) -> str:
    """A provider by our name for it."""
    name = word.lower()
    return _PROVIDERS.get(name, name)


def kind_of(line: UsageLine) -> tuple[Operation, str]:
    """What was asked for, and whose wire format the answer has."""
    api = (line.api or "").lower().removesuffix(_STREAM)
    known = _OPERATIONS.get(api)
    if known is not None:
        return known
    provider = provider_name(line.provider)
    kind = provider if provider in _KINDS else "openai"
    return _DEFAULTS.get(kind, Operation.CHAT), kind


def facts_of(line: UsageLine) -> ResponseFacts:
    """
    What the answer says, by the dialect of its provider.

    Raises:
        msgspec.DecodeError: the usage or the answer is no JSON object or list.
    """
    operation, kind = kind_of(line)
    http_status = line.http_status or _OK
    whole, events = _whole_or_events(line, of_google=kind == "genai")
    if kind == "genai" and not events:
        embedding = embedding_facts(line.model, line.raw_usage, whole)
        if embedding is not None:
            return embedding
    if events and kind == "bedrock":
        return _bedrock_stream_facts(line, operation, http_status, events)
    if events:
        return _observed(line, operation, kind, (http_status, _EVENTS, _as_events(events)))
    return _observed(line, operation, kind, (http_status, _JSON, _body(line, kind, whole)))


def served_tier(line: UsageLine, facts: ResponseFacts) -> str | None:
    """
    The tier to charge: the one that served the call, in the provider's word or the caller's.

    That a call was part of a batch is known to the caller alone with OpenAI and Gemini, whose
    answers name the ordinary tier then. What was requested counts only if nothing else is known.
    """
    if line.tier is not None and catalogue_tier(line.tier) == _BATCH:
        return line.tier
    return facts.service_tier or line.tier or line.requested_tier


def _whole_or_events(
    line: UsageLine, *, of_google: bool
) -> tuple[Mapping[str, msgspec.Raw], list[msgspec.Raw]]:
    """The fields of a whole answer, or the events of a streamed one."""
    fields: Mapping[str, msgspec.Raw] = {}
    response = _in_the_api_s_words(line.raw_response) if of_google else line.raw_response
    for value in (line.raw_usage, response):
        if bytes(memoryview(value)[:1]) == b"[":
            events = _in_the_api_s_words(value) if of_google else value
            return {}, _list_decoder.decode(events)
    if not is_absent(response):
        fields = _fields_decoder.decode(response)
    return fields, []


def _in_the_api_s_words(answer: msgspec.Raw) -> msgspec.Raw:
    """An answer as Google's Python SDK writes it down, with the names of the API itself."""
    if not any(mark in bytes(answer) for mark in _SDK_MARKS):
        return answer
    return msgspec.Raw(msgspec.json.encode(_in_camel_case(msgspec.json.decode(answer))))


def _in_camel_case(value: object) -> object:
    if isinstance(value, list):
        return [_in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_camel_case(str(name)): _in_camel_case(item) for name, item in value.items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _body(line: UsageLine, kind: str, whole: Mapping[str, msgspec.Raw]) -> bytes:
    """An answer's body around the usage."""
    usage = line.raw_usage
    if is_absent(usage):
        return msgspec.json.encode(whole)
    name = "usageMetadata" if kind == "genai" else "usage"
    if kind == "bedrock":
        inner = _fields_decoder.decode(usage)
        if "metadata" in inner:
            usage = _fields_decoder.decode(inner["metadata"]).get("usage", ABSENT)
        elif not whole and ("inputTextTokenCount" in inner or "prompt_token_count" in inner):
            # These makers put their counts beside the answer, not in an object of their own.
            return bytes(line.raw_usage)
    if not whole:
        return b'{"%s":%s}' % (name.encode(), bytes(usage))
    return msgspec.json.encode({**whole, name: usage})


def _as_events(events: list[msgspec.Raw]) -> bytes:
    return b"".join(b"data: %s\n\n" % bytes(event) for event in events) + b"data: [DONE]\n\n"


def _bedrock_stream_facts(
    line: UsageLine, operation: Operation, http_status: int, events: list[msgspec.Raw]
) -> ResponseFacts:
    """The facts of a stream's events, which Bedrock packs in frames that a line does not have."""
    if operation is Operation.CONVERSE:
        for event in reversed(events):
            fields = _fields_decoder.decode(event)
            if "metadata" in fields:
                body = bytes(fields["metadata"])
                return _observed(line, operation, "bedrock", (http_status, _JSON, body))
    if any(b'"message_start"' in bytes(event) for event in events):
        answer = (http_status, _EVENTS, _as_events(events))
        facts = _observed(line, Operation.MESSAGES, "anthropic", answer)
        return msgspec.structs.replace(facts, model_answered=None)
    for event in reversed(events):
        if _METRICS in bytes(event):
            metrics = _fields_decoder.decode(event)[_METRICS.decode()]
            tokens, note = invocation_tokens(metrics)
            return ResponseFacts(tokens=tokens, note=note, ended=True)
    last = bytes(events[-1])
    return _observed(line, operation, "bedrock", (http_status, _JSON, last))


def _observed(
    line: UsageLine,
    operation: Operation,
    kind: str,
    answer: tuple[int, list[tuple[bytes, bytes]], bytes],
) -> ResponseFacts:
    http_status, headers, body = answer
    dialect = _dialects.get(kind)
    if dialect is None:
        dialect = _dialects[kind] = dialect_for(kind)
    request = RequestFacts(
        operation=operation,
        model=line.model,
        streamed=headers is _EVENTS,
        output_tokens_max=None,
        upstream_body=bytes(line.raw_request),
    )
    observer = dialect.observe(request, AnswerHead(http_status, headers))
    observer.feed(body)
    observer.end()
    return observer.facts()
