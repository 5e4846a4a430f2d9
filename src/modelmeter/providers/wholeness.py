"""Whether an answer is whole: not cut by a limit, not filtered, not refused."""

import base64
import binascii
import re

from modelmeter.record import Operation

__all__ = ["is_whole"]

# In a JSON text no quotation mark stands unescaped inside a string, so these find fields only.
# A field of that name inside a tool's arguments is found too: it can only make an answer less
# whole, for every reason found must be a good one.
_REASON = re.compile(
    rb'"(?:finish_reason|finishReason|stop_reason|stopReason|completionReason|done_reason)"'
    rb'\s*:\s*"([^"\\]*)"'
)
_WHOLE_REASONS = frozenset({
    b"stop", b"end_turn", b"stop_sequence", b"tool_use", b"tool_calls", b"function_call",
    b"complete", b"finish", b"finished", b"eos", b"eos_token", b"endoftext",
})  # fmt: skip
"""
In lower case. OpenAI: https://platform.openai.com/docs/api-reference/chat/object; Anthropic:
https://docs.anthropic.com/en/api/handling-stop-reasons; Bedrock:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and its models'
parameters; Google: https://ai.google.dev/api/generate-content#FinishReason.
"""
_REFUSED = re.compile(
    rb'"refusal"\s*:\s*"[^"]|"type"\s*:\s*"(?:response\.)?refusal|"blockReason"\s*:\s*"'
)
_RESPONSE_STATUS = re.compile(rb'"status"\s*:\s*"(completed|incomplete|failed|cancelled)"')
_PACKED = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]+)"')
_EMBEDDING = re.compile(rb'"embeddings?(?:ByType|_by_type)?"\s*:')
_EMBEDDING_OPERATIONS = frozenset({Operation.EMBEDDINGS, Operation.EMBED_CONTENT})


def is_whole(operation: Operation, body: bytes) -> bool:
    """
    Whether a successful answer, streamed or not, says that the model came to its own end.

    An answer that does not say how it ended is not whole; embeddings have nothing to say.
    """
    if operation in _EMBEDDING_OPERATIONS:
        return True
    if operation is Operation.INVOKE_MODEL:
        body = _unpacked(body)
    if _REFUSED.search(body):
        return False
    if operation is Operation.RESPONSES:
        return set(_RESPONSE_STATUS.findall(body)) == {b"completed"}
    reasons = {reason.lower() for reason in _REASON.findall(body)} - {b""}
    if not reasons and operation is Operation.INVOKE_MODEL:
        return _EMBEDDING.search(body) is not None
    return bool(reasons) and reasons <= _WHOLE_REASONS


def _unpacked(body: bytes) -> bytes:
    """Bedrock packs each event of a model's stream in base64."""
    packed = _PACKED.findall(body)
    if not packed:
        return body
    try:
        return b"\n".join(base64.b64decode(part) for part in packed)
    except binascii.Error:
        return b""
