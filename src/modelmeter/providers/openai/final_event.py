"""
How a stream in OpenAI's dialect ends that is cut: as one that has met its limit of output.

https://platform.openai.com/docs/api-reference/chat-streaming,
https://platform.openai.com/docs/api-reference/responses-streaming/response/incomplete
"""

import msgspec

from modelmeter.providers.contract import RequestFacts, ResponseFacts
from modelmeter.record import Operation

__all__ = ["final_event"]


def final_event(request: RequestFacts, seen: ResponseFacts) -> bytes:
    """The bytes behind the last whole event."""
    model = seen.model_answered or request.model
    if request.operation is Operation.RESPONSES:
        response: dict[str, object] = {
            "id": seen.provider_request_id,
            "object": "response",
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "model": model,
            "output": [],
        }
        event = {"type": "response.incomplete", "response": response}
        return b"event: response.incomplete\ndata: %b\n\n" % msgspec.json.encode(event)
    choice: dict[str, object] = {"index": 0, "finish_reason": "length", "logprobs": None}
    if request.operation is Operation.CHAT:
        kind, choice["delta"] = "chat.completion.chunk", {}
    else:
        kind, choice["text"] = "text_completion", ""
    chunk = {
        "id": seen.provider_request_id,
        "object": kind,
        "created": 0,
        "model": model,
        "choices": [choice],
    }
    return b"data: %b\n\ndata: [DONE]\n\n" % msgspec.json.encode(chunk)
