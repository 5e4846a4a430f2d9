"""
Gemini's content: generated, streamed, and embedded.

https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings
"""

from collections.abc import Iterator

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Answer, Ask, Finish, Frame, Framing, HttpRequest, Tool
from modelmeter.simulator.framing import CrlfDataFraming, JsonArrayFraming, pretty_json
from modelmeter.simulator.prompt import (
    count_of_tokens,
    decode_body,
    image_tokens,
    refuse,
    tool_wanted,
)
from modelmeter.simulator.usage import reported_usage
from modelmeter.simulator.words import Ids, vector

__all__ = ["EmbedSurface", "GenerateSurface", "count_contents"]

TEXTS_MAX = 100
"""Most texts of one batch, as Google has it."""

_FINISH: dict[Finish, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool": "STOP",
    "filtered": "SAFETY",
}
_TOKENS_PER_CHUNK = 24
_DIMENSIONS_USUAL = 3_072
_DIMENSIONS_MAX = 4_096
_THINKING = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3", "gemini-4")


class _GenerationConfig(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_mime_type: str | None = None
    response_schema: object = None
    response_json_schema: object = None
    thinking_config: dict[str, object] | None = None


class _GenerateBody(msgspec.Struct, rename="camel"):
    contents: list[dict[str, object]]
    system_instruction: object = None
    generation_config: _GenerationConfig | None = None
    tools: list[dict[str, object]] | None = None
    tool_config: dict[str, object] | None = None


class _CountBody(msgspec.Struct, rename="camel"):
    contents: list[dict[str, object]] = []
    generate_content_request: dict[str, object] | None = None


class GenerateSurface:
    """``models/{model}:generateContent`` and ``:streamGenerateContent``."""

    operation = Operation.GENERATE_CONTENT

    def __init__(self, model: str, *, streamed: bool) -> None:
        self._model = model
        self._streamed = streamed

    def read(self, request: HttpRequest) -> Ask:
        """Read a request to generate content."""
        body = decode_body(request, _GenerateBody)
        if not body.contents:
            raise refuse("* GenerateContentRequest.contents: contents is not specified")
        config = body.generation_config or _GenerationConfig()
        if config.max_output_tokens is not None and config.max_output_tokens < 1:
            raise refuse("max_output_tokens must be positive.")
        tools = _tools(body.tools)
        budget = (config.thinking_config or {}).get("thinkingBudget")
        return Ask(
            operation=self.operation,
            model=self._model,
            streamed=self._streamed,
            input_tokens=count_of_tokens(body.contents, body.system_instruction, body.tools),
            image_tokens=image_tokens(body.contents),
            output_tokens_max=config.max_output_tokens,
            choices=min(max(config.candidate_count or 1, 1), 8),
            tools=tools,
            tool_wanted=tool_wanted(tools, _tool_mode(body.tool_config), body.contents),
            json_schema=config.response_json_schema or config.response_schema,
            json_wanted=config.response_mime_type == "application/json",
            thinking=_thinks(self._model) and budget != 0,
        )

    def response_id(self, ids: Ids) -> str:
        """22 letters and digits."""
        return ids.base62("response", 22)

    def framing(self, request: HttpRequest) -> Framing:
        """Server-sent events with ``alt=sse``, else one array."""
        return CrlfDataFraming() if b"alt=sse" in request.query else JsonArrayFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole answer."""
        parts = [_tool_part(answer) or {"text": answer.text}]
        payload = self._payload(ask, answer, parts, last=True, output=answer.tokens.output)
        return pretty_json(msgspec.json.encode(payload))

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write chunks, each with the counts so far."""
        if answer.tool is not None or not answer.pieces:
            parts = [_tool_part(answer) or {"text": ""}]
            output = answer.tokens.output
            payload = self._payload(ask, answer, parts, last=True, output=output)
            yield Frame("", payload, output)
            return
        for start in range(0, len(answer.pieces), _TOKENS_PER_CHUNK):
            group = answer.pieces[start : start + _TOKENS_PER_CHUNK]
            last = start + _TOKENS_PER_CHUNK >= len(answer.pieces)
            output = answer.tokens.output if last else min(start + len(group), answer.tokens.output)
            part: dict[str, object] = {"text": "".join(group)}
            payload = self._payload(ask, answer, [part], last=last, output=output)
            yield Frame("", payload, len(group))

    def _payload(
        self, ask: Ask, answer: Answer, parts: list[dict[str, object]], *, last: bool, output: int
    ) -> dict[str, object]:
        payload: dict[str, object] = {}
        if answer.finish == "filtered":
            payload["promptFeedback"] = {"blockReason": "SAFETY"}
        else:
            payload["candidates"] = [
                {"content": {"parts": parts, "role": "model"}}
                | ({"finishReason": _FINISH[answer.finish]} if last else {})
                | {"index": index}
                for index in range(ask.choices)
            ]
        usage = _usage(answer, output)
        if usage is not None:
            payload["usageMetadata"] = usage
        return payload | {
            "modelVersion": ask.model,
            "responseId": self.response_id(answer.ids),
        }


class _EmbedBody(msgspec.Struct, rename="camel"):
    content: dict[str, object]
    output_dimensionality: int | None = None
    embed_content_config: dict[str, object] | None = None


class _BatchBody(msgspec.Struct, rename="camel"):
    requests: list[_EmbedBody]


class EmbedSurface:
    """``models/{model}:embedContent`` and ``:batchEmbedContents``."""

    operation = Operation.EMBED_CONTENT

    def __init__(self, model: str, *, batch: bool) -> None:
        self._model = model
        self._batch = batch

    def read(self, request: HttpRequest) -> Ask:
        """Read one text or several."""
        if self._batch:
            asked = decode_body(request, _BatchBody).requests
        else:
            asked = [decode_body(request, _EmbedBody)]
        if not 1 <= len(asked) <= TEXTS_MAX:
            raise refuse(f"BatchEmbedContentsRequest.requests: from 1 to {TEXTS_MAX} requests")
        configured = (asked[0].embed_content_config or {}).get("outputDimensionality")
        dimensions = asked[0].output_dimensionality or configured or _DIMENSIONS_USUAL
        if not isinstance(dimensions, int) or not 1 <= dimensions <= _DIMENSIONS_MAX:
            raise refuse(f"output_dimensionality must be from 1 to {_DIMENSIONS_MAX}")
        return Ask(
            operation=self.operation,
            model=self._model,
            input_tokens=sum(max(1, count_of_tokens((), each.content)) for each in asked),
            embedded_texts=len(asked),
            dimensions=dimensions,
        )

    def response_id(self, ids: Ids) -> None:
        """Embeddings carry none."""

    def framing(self, request: HttpRequest) -> Framing:
        """Never used: embeddings do not stream."""
        return CrlfDataFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write the vectors."""
        random = seeded_random(answer.vectors_seed)
        found = [
            {"values": vector(random, ask.dimensions).tolist()} for _ in range(ask.embedded_texts)
        ]
        payload: dict[str, object] = (
            {"embeddings": found} if self._batch else {"embedding": found[0]}
        )
        usage = reported_usage(
            {
                "promptTokenCount": answer.tokens.input,
                "promptTokenDetails": [_modality("TEXT", answer.tokens.input)],
            },
            answer.directive,
        )
        if usage is not None:
            payload["usageMetadata"] = usage
        return msgspec.json.encode(payload)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Embeddings do not stream."""
        return iter(())


def count_contents(request: HttpRequest) -> int:
    """
    Count the tokens of a prompt, for ``countTokens``.

    Raises:
        FaultError: the request is not valid.
    """
    body = decode_body(request, _CountBody)
    return count_of_tokens(body.contents, body.generate_content_request)


def _thinks(model: str) -> bool:
    return model.startswith(_THINKING) and "lite" not in model and "image" not in model


def _tools(listed: list[dict[str, object]] | None) -> tuple[Tool, ...]:
    found = []
    for each in listed or ():
        declarations = each.get("functionDeclarations", each.get("function_declarations"))
        for spec in declarations if isinstance(declarations, list) else ():
            if isinstance(spec, dict) and isinstance(spec.get("name"), str):
                # JSON of protocol buffers may name its fields either way; Google's SDK does both.
                names = ("parameters", "parametersJsonSchema", "parameters_json_schema")
                schema = next((spec[name] for name in names if spec.get(name)), None)
                found.append(Tool(spec["name"], schema))
    return tuple(found)


def _tool_mode(config: dict[str, object] | None) -> str | None:
    calling = (config or {}).get("functionCallingConfig")
    mode = calling.get("mode") if isinstance(calling, dict) else None
    return {"ANY": "required", "NONE": "none"}.get(str(mode))


def _tool_part(answer: Answer) -> dict[str, object]:
    tool = answer.tool
    return {"functionCall": {"name": tool.name, "args": tool.arguments}} if tool else {}


def _modality(name: str, tokens: int) -> dict[str, object]:
    return {"modality": name, "tokenCount": tokens}


def _usage(answer: Answer, output: int) -> dict[str, object] | None:
    """Count as Gemini does: cached inside the prompt, thoughts apart from candidates."""
    tokens = answer.tokens
    prompt = tokens.input + tokens.cache_read + tokens.image_input
    usage: dict[str, object] = {"promptTokenCount": prompt}
    if output:
        usage["candidatesTokenCount"] = output
    usage["totalTokenCount"] = prompt + output + tokens.reasoning
    if tokens.cache_read:
        usage["cachedContentTokenCount"] = tokens.cache_read
    details = [_modality("TEXT", tokens.input + tokens.cache_read)]
    if tokens.image_input:
        details.append(_modality("IMAGE", tokens.image_input))
    usage["promptTokensDetails"] = details
    if tokens.cache_read:
        usage["cacheTokensDetails"] = [_modality("TEXT", tokens.cache_read)]
    if tokens.reasoning:
        usage["thoughtsTokenCount"] = tokens.reasoning
    return reported_usage(usage, answer.directive)
