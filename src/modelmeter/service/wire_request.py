"""A request in OpenAI's shape, as one provider takes it."""

from collections.abc import Mapping
from typing import Self
from urllib.parse import quote

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import RequestFacts, dialect_for
from modelmeter.record import Operation
from modelmeter.service.conversation import AnswerReader, unsupported
from modelmeter.service.embeddings import bedrock_embeddings, genai_embeddings, read_embeddings
from modelmeter.service.read_chat import read_chat
from modelmeter.service.routes import Target
from modelmeter.service.translate_anthropic import AnthropicReader, anthropic_request
from modelmeter.service.translate_bedrock import BedrockReader, converse_request
from modelmeter.service.translate_genai import GenAIReader, generate_request

__all__ = ["AimedRequest", "Asked", "WireRequest", "reader_for", "wire_request"]

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Asked(msgspec.Struct, frozen=True):
    """A request in OpenAI's shape."""

    operation: Operation
    """Chat or embeddings."""
    model: str
    """As the caller names it: a route, ``provider/model``, or a model."""
    body: bytes
    fields: Mapping[str, object]
    """The decoded body."""
    streamed: bool = False
    wants_usage: bool = False
    """A streamed answer is to end with its usage."""


class WireRequest(msgspec.Struct, frozen=True):
    """What goes to a provider."""

    path: str
    """Behind the provider's base address, with its query."""
    body: bytes
    facts: RequestFacts
    passes: bool = False
    """The provider answers in OpenAI's shape itself."""


class AimedRequest(msgspec.Struct, frozen=True):
    """A request as one model is asked it."""

    asked: Asked
    target: Target
    wire: WireRequest

    @property
    def facts(self) -> RequestFacts:
        """What it asks for."""
        return self.wire.facts

    def of(self, facts: RequestFacts) -> Self:
        """The same request with another body."""
        wire = msgspec.structs.replace(self.wire, body=facts.upstream_body, facts=facts)
        return msgspec.structs.replace(self, wire=wire)

    def to_model(self, model: str) -> Self:
        """The same request to another model of its provider."""
        target = msgspec.structs.replace(self.target, model=model)
        wire = wire_request(self.asked, target)
        return msgspec.structs.replace(self, target=target, wire=wire)


def wire_request(asked: Asked, target: Target) -> WireRequest:
    """
    The request to make of ``target``.

    Raises:
        RefusedRequestError: a field is wrong, or the provider cannot do what is asked.
    """
    if target.kind == "openai":
        return _as_openai(asked, target)
    if asked.operation is Operation.CHAT:
        operation, path, fields = _chat(asked, target)
    else:
        operation, path, fields = _embeddings(asked, target)
    body = _encode(fields)
    facts = dialect_for(target.kind).read_request(operation, path.partition("?")[0], body)
    return WireRequest(path, body, facts)


def reader_for(kind: str) -> AnswerReader:
    """A reader of one answer of a kind of provider that does not speak OpenAI's dialect."""
    if kind == "anthropic":
        return AnthropicReader()
    return BedrockReader() if kind == "bedrock" else GenAIReader()


def _as_openai(asked: Asked, target: Target) -> WireRequest:
    """The caller's own body; only the model's name is the target's."""
    body = asked.body
    if asked.model != target.model:
        fields = _fields.decode(body)
        fields["model"] = msgspec.Raw(_encode(target.model))
        body = _encode(fields)
    path = "/chat/completions" if asked.operation is Operation.CHAT else "/embeddings"
    facts = dialect_for("openai").read_request(asked.operation, path, body)
    return WireRequest(path, facts.upstream_body, facts, passes=True)


def _chat(asked: Asked, target: Target) -> tuple[Operation, str, dict[str, object]]:
    conversation = read_chat(asked.fields, target.provider)
    model = quote(target.model, safe="")
    if target.kind == "anthropic":
        body = anthropic_request(conversation, target.model)
        return Operation.MESSAGES, "/v1/messages", body
    if target.kind == "bedrock":
        verb = "converse-stream" if asked.streamed else "converse"
        return Operation.CONVERSE, f"/model/{model}/{verb}", converse_request(conversation)
    verb = "streamGenerateContent?alt=sse" if asked.streamed else "generateContent"
    path = f"/v1beta/models/{_genai_name(target.model)}:{verb}"
    return Operation.GENERATE_CONTENT, path, generate_request(conversation)


def _embeddings(asked: Asked, target: Target) -> tuple[Operation, str, dict[str, object]]:
    request = read_embeddings(asked.fields)
    if target.kind == "genai":
        name = _genai_name(target.model)
        path = f"/v1beta/models/{name}:batchEmbedContents"
        return Operation.EMBED_CONTENT, path, genai_embeddings(request, name)
    if target.kind == "bedrock":
        path = f"/model/{quote(target.model, safe='')}/invoke"
        return Operation.INVOKE_MODEL, path, bedrock_embeddings(request, target.model)
    raise unsupported(target.provider, "embeddings", "name a model of another provider")


def _genai_name(model: str) -> str:
    name = model.removeprefix("models/")
    if "/" in name or ":" in name:
        raise RefusedRequestError(f"{model!r} cannot be a model of Gemini", code="model_not_found")
    return quote(name, safe="")
