"""
Bedrock's invoke and invoke-with-response-stream, in the own formats of four model families.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from collections.abc import Iterator

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.anthropic_messages import (
    MessagesBody,
    message_frames,
    message_payload,
    read_message,
)
from modelmeter.simulator.bedrock_converse import (
    FINISH,
    TOKENS_PER_DELTA,
    content_blocks,
    converse_ask,
    stream_frames,
)
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Answer, Ask, Frame, HttpRequest, Surface
from modelmeter.simulator.framing import AwsChunkFraming
from modelmeter.simulator.prompt import count_of_tokens, decode_body, refuse
from modelmeter.simulator.usage import reported_usage
from modelmeter.simulator.words import Ids, vector

__all__ = ["invoke_surface"]

_DIMENSIONS = (256, 512, 1_024)


def invoke_surface(model: str, *, streamed: bool) -> Surface:
    """Give the surface of the model's family; one that its id does not name is Anthropic's."""
    if "titan-embed" in model:
        return TitanEmbedSurface(model, streamed=streamed)
    if "nova" in model:
        return NovaSurface(model, streamed=streamed)
    if "llama" in model:
        return LlamaSurface(model, streamed=streamed)
    return AnthropicInvokeSurface(model, streamed=streamed)


class InvokeSurface:
    """What the families have in common."""

    operation = Operation.INVOKE_MODEL

    def __init__(self, model: str, *, streamed: bool) -> None:
        self.model = model
        self.streamed = streamed

    def response_id(self, ids: Ids) -> str | None:
        """Mostly none."""
        return None

    def framing(self, request: HttpRequest) -> AwsChunkFraming:
        """The model's JSON in chunks of an AWS event stream."""
        return AwsChunkFraming()


class AnthropicInvokeSurface(InvokeSurface):
    """Claude: Anthropic's messages, the version in the body."""

    def read(self, request: HttpRequest) -> Ask:
        """Read a message without a model."""
        body = decode_body(request, MessagesBody)
        return read_message(body, self.model, self.operation, streamed=self.streamed)

    def response_id(self, ids: Ids) -> str | None:
        """Claude's own kind of id."""
        return f"msg_bdrk_01{ids.base62('response', 20)}"

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole message."""
        identity = {"id": self.response_id(answer.ids), "model": _bare_model(ask.model)}
        return msgspec.json.encode(message_payload(ask, answer) | identity)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the events of a message; Bedrock's metrics ride on the last."""
        identity = {"id": self.response_id(answer.ids), "model": _bare_model(ask.model)}
        for frame in message_frames(ask, answer):
            payload = frame.payload
            message = payload.get("message")
            if isinstance(message, dict):
                payload = payload | {"message": message | identity}
            elif payload["type"] == "message_stop":
                payload = payload | _metrics(answer)
            yield Frame(frame.event, payload, frame.tokens)


class NovaSurface(InvokeSurface):
    """Amazon Nova: as converse, but for the names of counts."""

    def read(self, request: HttpRequest) -> Ask:
        """Read a request in Nova's format."""
        return converse_ask(request, self.model, self.operation, streamed=self.streamed)

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole answer."""
        payload: dict[str, object] = {
            "output": {"message": {"content": content_blocks(answer), "role": "assistant"}},
            "stopReason": FINISH[answer.finish],
        }
        usage = _nova_usage(answer)
        if usage is not None:
            payload["usage"] = usage
        return msgspec.json.encode(payload)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the events, each under its name; counts come last."""
        for frame in stream_frames(answer):
            yield Frame(frame.event, {frame.event: frame.payload}, frame.tokens)
        metadata: dict[str, object] = {"metrics": {}, "trace": {}}
        usage = _nova_usage(answer)
        if usage is not None:
            metadata["usage"] = usage
        yield Frame("metadata", {"metadata": metadata} | _metrics(answer))


class _LlamaBody(msgspec.Struct):
    prompt: str
    max_gen_len: int = 512


class LlamaSurface(InvokeSurface):
    """Meta Llama: text in, text out."""

    def read(self, request: HttpRequest) -> Ask:
        """Read a prompt."""
        body = decode_body(request, _LlamaBody)
        if body.max_gen_len < 1:
            raise refuse("max_gen_len must be at least 1")
        return Ask(
            operation=self.operation,
            model=self.model,
            streamed=self.streamed,
            input_tokens=max(1, count_of_tokens((), body.prompt)),
            output_tokens_max=body.max_gen_len,
        )

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole generation."""
        tokens = answer.tokens
        counts = _llama_counts(answer, tokens.input, tokens.output + tokens.reasoning)
        payload: dict[str, object] = {"generation": answer.text} | counts
        return msgspec.json.encode(payload | {"stop_reason": _llama_finish(answer)})

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write parts of a generation; the count of output grows, the prompt's comes once."""
        tokens = answer.tokens
        for start in range(0, len(answer.pieces), TOKENS_PER_DELTA):
            group = answer.pieces[start : start + TOKENS_PER_DELTA]
            counts = _llama_counts(answer, None if start else tokens.input, start + len(group))
            payload: dict[str, object] = {"generation": "".join(group)} | counts
            yield Frame("chunk", payload | {"stop_reason": None}, len(group))
        counts = _llama_counts(answer, None, tokens.output + tokens.reasoning)
        last: dict[str, object] = {"generation": ""} | counts
        yield Frame("chunk", last | {"stop_reason": _llama_finish(answer)} | _metrics(answer))


class _TitanEmbedBody(msgspec.Struct):
    text: str = msgspec.field(name="inputText")
    dimensions: int = 1_024


class TitanEmbedSurface(InvokeSurface):
    """Amazon Titan: one text to one vector."""

    def read(self, request: HttpRequest) -> Ask:
        """Read a text to embed."""
        body = decode_body(request, _TitanEmbedBody)
        if self.streamed:
            raise refuse("The model is unsupported for streaming.")
        if body.dimensions not in _DIMENSIONS:
            raise refuse("dimensions must be one of 256, 512, 1024")
        return Ask(
            operation=self.operation,
            model=self.model,
            input_tokens=max(1, count_of_tokens((), body.text)),
            embedded_texts=1,
            dimensions=body.dimensions,
        )

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write the vector."""
        values = vector(seeded_random(answer.vectors_seed), ask.dimensions).tolist()
        payload: dict[str, object] = {
            "embedding": values,
            "embeddingsByType": {"float": values},
        }
        usage = reported_usage({"inputTextTokenCount": answer.tokens.input}, answer.directive)
        return msgspec.json.encode(payload | (usage or {}))

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Embeddings do not stream."""
        return iter(())


def _bare_model(model: str) -> str:
    _, _, name = model.rpartition("anthropic.")
    return name.partition("-v")[0]


def _metrics(answer: Answer) -> dict[str, object]:
    """Give the counts that Bedrock itself adds to the last chunk of any family."""
    tokens = answer.tokens
    metrics: dict[str, object] = {
        "inputTokenCount": tokens.input + tokens.image_input,
        "outputTokenCount": tokens.output + tokens.reasoning,
        "invocationLatency": answer.latency_ms,
        "firstByteLatency": max(1, round(answer.first_token_seconds * 1000)),
        "cacheReadInputTokenCount": tokens.cache_read,
        "cacheWriteInputTokenCount": tokens.cache_write_5m + tokens.cache_write_1h,
    }
    told = reported_usage(metrics, answer.directive)
    return {} if told is None else {"amazon-bedrock-invocationMetrics": told}


def _nova_usage(answer: Answer) -> dict[str, object] | None:
    tokens = answer.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h
    given, made = tokens.input + tokens.image_input, tokens.output + tokens.reasoning
    usage: dict[str, object] = {
        "inputTokens": given,
        "outputTokens": made,
        "totalTokens": given + made + tokens.cache_read + written,
        "cacheReadInputTokenCount": tokens.cache_read,
        "cacheWriteInputTokenCount": written,
    }
    return reported_usage(usage, answer.directive)


def _llama_counts(answer: Answer, prompt: int | None, generated: int) -> dict[str, object]:
    counts: dict[str, object] = {
        "prompt_token_count": prompt,
        "generation_token_count": generated,
    }
    return reported_usage(counts, answer.directive) or {}


def _llama_finish(answer: Answer) -> str:
    return "length" if answer.finish == "length" else "stop"
