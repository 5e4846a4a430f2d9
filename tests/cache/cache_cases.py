"""Requests, answers and a clock for the cache's tests."""

import msgspec

from modelmeter.cache import CachedAnswer, CacheRequest, KeyParts
from modelmeter.providers import ResponseFacts
from modelmeter.record import Operation, TokenCounts

BODY = (
    b'{"model":"gpt-4o","temperature":0.3,"messages":[{"role":"user","content":"hi"}],'
    b'"tools":[{"type":"function","function":{"name":"f"}}]}'
)
PARTS = KeyParts(
    tenant_id="acme",
    credential=b"authorization: Bearer sk-1",
    provider="openai",
    endpoint="POST https://api.openai.com/v1/chat/completions",
    body=BODY,
    headers=((b"content-type", b"application/json"),),
)
GLOBEX = msgspec.structs.replace(PARTS, tenant_id="globex")
FACTS = ResponseFacts(
    model_answered="gpt-4o-2024-08-06", tokens=TokenCounts(input=1000, output=50), ended=True
)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.wall_ns = 1_790_000_000_000_000_000
        self.now_ns = 1_000

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.wall_ns += int(seconds * 1e9)
        self.now_ns += int(seconds * 1e9)


def answer_of(text: str, *, size: int = 0) -> CachedAnswer:
    """An answer that can be told from others."""
    body = msgspec.json.encode({"text": text, "padding": "x" * size})
    return CachedAnswer(
        body=body, facts=FACTS, headers=[(b"content-type", b"application/json")], streamed=True
    )


def request_of(
    parts: KeyParts = PARTS,
    *,
    agent_id: str = "meetmind.coordinator",
    cache_control: bytes | None = None,
) -> CacheRequest:
    """A request for an answer."""
    return CacheRequest(
        agent_id=agent_id,
        model="gpt-4o",
        operation=Operation.CHAT,
        parts=parts,
        cache_control=cache_control,
    )
