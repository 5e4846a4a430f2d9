"""What OpenAI's operations have in common: models, tools, counts."""

from collections.abc import Sequence

from modelmeter.record import ErrorType
from modelmeter.simulator.exchange import Answer, Fault, FaultError, Tool
from modelmeter.simulator.usage import reported_usage

__all__ = [
    "check_limit",
    "check_model",
    "dated_model",
    "is_reasoning_model",
    "read_tools",
    "tool_choice",
    "usage_of_completion",
]

_FAMILIES = (
    *("gpt-", "o1", "o3", "o4", "chatgpt-", "ft:", "text-embedding-", "davinci", "babbage"),
    *("codex", "computer-use"),
)
_REASONING = ("o1", "o3", "o4", "gpt-5", "gpt-6")
_DATED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5.4": "gpt-5.4-2026-03-05",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}


def check_model(model: str, *, azure: bool) -> None:
    """
    Refuse a model of no family that OpenAI has; Azure's deployments may have any name.

    Raises:
        FaultError: it does not exist.
    """
    unknown = model.startswith("unknown") if azure else not model.startswith(_FAMILIES)
    if unknown or not model:
        raise FaultError(
            Fault(
                ErrorType.NOT_FOUND,
                message=f"The model `{model[:100]}` does not exist or you do not have access to "
                "it.",
            )
        )


def check_limit(limit: int | None, name: str) -> None:
    """
    Refuse a limit of output tokens below one.

    Raises:
        FaultError: it is.
    """
    if limit is not None and limit < 1:
        raise FaultError(
            Fault(
                ErrorType.INVALID_REQUEST,
                message=f"Invalid '{name}': integer below minimum value. Expected a value >= 1, "
                f"but got {limit} instead.",
            )
        )


def dated_model(model: str) -> str:
    """Give the snapshot that answers for ``model``."""
    return _DATED.get(model, model)


def is_reasoning_model(model: str) -> bool:
    """Tell whether the model reasons before it answers."""
    return model.startswith(_REASONING) and "chat" not in model


def read_tools(tools: Sequence[dict[str, object]] | None) -> tuple[Tool, ...]:
    """Read function tools, in the form of chat completions or of responses."""
    found = []
    for tool in tools or ():
        function = tool.get("function", tool)
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            found.append(Tool(function["name"], function.get("parameters")))
    return tuple(found)


def tool_choice(choice: object) -> str | None:
    """Reduce a choice of tools to ``required``, ``none`` or None."""
    if isinstance(choice, dict):
        return "required"
    return choice if choice in ("required", "none") else None


def usage_of_completion(answer: Answer) -> dict[str, object] | None:
    """
    Count as chat completions do: prompt tokens hold cached ones, completions hold reasoning.

    https://platform.openai.com/docs/api-reference/chat/object
    """
    tokens = answer.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h
    prompt = tokens.input + tokens.image_input + tokens.cache_read + written
    completion = tokens.output + tokens.reasoning
    details: dict[str, object] = {"cached_tokens": tokens.cache_read, "audio_tokens": 0}
    if written:
        details["cache_write_tokens"] = written
    usage: dict[str, object] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return reported_usage(usage, answer.directive)
