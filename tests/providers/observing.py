"""What a dialect's observer passes on of an answer, and what it says of it."""

import json
from collections.abc import Sequence
from itertools import pairwise

from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for

__all__ = ["PATHS", "asked", "events", "observed"]

PATHS = {
    "chat": ("openai", "/chat/completions"),
    "completions": ("openai", "/completions"),
    "embeddings": ("openai", "/embeddings"),
    "responses": ("openai", "/responses"),
    "messages": ("anthropic", "/v1/messages"),
    "generate": ("genai", "/v1beta/models/m:generateContent"),
    "generate stream": ("genai", "/v1beta/models/m:streamGenerateContent"),
    "embed": ("genai", "/v1beta/models/m:embedContent"),
    "invoke": ("bedrock", "/model/m/invoke"),
    "invoke stream": ("bedrock", "/model/m/invoke-with-response-stream"),
    "converse": ("bedrock", "/model/m/converse"),
}


def asked(name: str, **fields: object) -> RequestFacts:
    """The facts of a request for one of `PATHS`."""
    kind, path = PATHS[name]
    dialect = dialect_for(kind)
    operation = dialect.operation("POST", path)
    assert operation is not None
    return dialect.read_request(operation, path, json.dumps({"model": "m", **fields}).encode())


def observed(
    name: str,
    answer: object,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Sequence[tuple[bytes, bytes]] = (),
    cuts: Sequence[int] = (),
    **fields: object,
) -> tuple[bytes, ResponseFacts]:
    """Show an answer (bytes, or what is made JSON of) to its observer, cut at ``cuts``."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    head = AnswerHead(status, [(b"content-type", content_type.encode()), *headers])
    observer = dialect_for(PATHS[name][0]).observe(asked(name, **fields), head)
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    out = b"".join(observer.feed(body[start:end]) for start, end in pairwise(places))
    return out + observer.end(), observer.facts()


def events(*objects: object) -> bytes:
    """Server-sent events; bytes stand for themselves."""
    return b"".join(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n"
        for one in objects
    )
