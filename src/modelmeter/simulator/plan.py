"""The simulated model: a pure function of seed and request to an answer or a failure."""

import hashlib
from random import Random

from modelmeter.record import ErrorType, TokenCounts
from modelmeter.simulator.directive import Directive
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Answer, Ask, Fault, FaultError, Finish, Tool, ToolCall
from modelmeter.simulator.settings import SimulatorSettings
from modelmeter.simulator.tokens import draw_tokens
from modelmeter.simulator.words import Ids, fitting_json, json_pieces, word_pieces

__all__ = ["asked_fault", "plan_answer", "request_random"]

_CACHEABLE_TOKENS_MIN = 1_024
_CACHE_BLOCK_TOKENS = 128
_TOOL_OVERHEAD_TOKENS = 12
_DEFAULT_TOOL = Tool("lookup", {"type": "object", "properties": {"query": {"type": "string"}}})

_SMALL = ("mini", "nano", "haiku", "flash", "lite", "micro", "small", "8b", "luna")
_LARGE = ("opus", "pro", "large", "70b", "fable", "astra", "llama3-1-405b")
_PACES: dict[str, tuple[float, float, float, float]] = {
    "small": (0.15, 0.40, 60.0, 90.0),
    "medium": (0.25, 0.70, 35.0, 70.0),
    "large": (0.35, 0.90, 20.0, 45.0),
}
"""First token after so many seconds at least and at most, then tokens a second likewise."""

_EMBEDDING_SECONDS = (0.03, 0.12)
_LARGE_WINDOWS = ("gemini", "gpt-4.1", "gpt-5", "gpt-6", "nova-pro", "claude")
_LARGE_WINDOW_TOKENS = 1_000_000
_WINDOW_TOKENS = 128_000

_STATUS_FAULTS = {
    401: ErrorType.AUTHENTICATION,
    403: ErrorType.PERMISSION,
    404: ErrorType.NOT_FOUND,
    408: ErrorType.TIMEOUT,
    429: ErrorType.RATE_LIMIT,
    503: ErrorType.OVERLOADED,
    504: ErrorType.TIMEOUT,
    529: ErrorType.OVERLOADED,
}
_ERROR_FAULTS = {
    "overloaded": ErrorType.OVERLOADED,
    "context_length": ErrorType.CONTEXT_LENGTH,
    "content_filter": ErrorType.CONTENT_FILTER,
}
_FILTERS_IN_ANSWERS = ("bedrock", "genai")
"""Providers that answer a filtered prompt with 200 and a reason."""


def request_random(seed: int, body: bytes) -> Random:
    """Give the source of all that is drawn for a request: equal for equal seed and body."""
    digest = hashlib.blake2b(body, digest_size=8, key=str(seed).encode()).digest()
    return seeded_random(int.from_bytes(digest, "big"))


def asked_fault(directive: Directive) -> Fault | None:
    """Give the failure that a directive asks for, if any."""
    if directive.error is not None:
        return Fault(
            _ERROR_FAULTS[directive.error], directive.status, retry_after=directive.retry_after
        )
    if directive.status is None:
        return None
    usual = ErrorType.INVALID_REQUEST if directive.status < 500 else ErrorType.SERVER_ERROR
    error_type = _STATUS_FAULTS.get(directive.status, usual)
    return Fault(error_type, directive.status, retry_after=directive.retry_after)


def plan_answer(
    settings: SimulatorSettings,
    provider: str,
    ask: Ask,
    directive: Directive,
    body: bytes,
    ids: Ids,
    created: int,
) -> Answer:
    """
    Decide what the model answers.

    All but ``ids`` and ``created`` follows from the seed and the body (with its directive).

    Raises:
        FaultError: the answer is a failure: asked for, drawn, or due to the prompt's length.
    """
    random = request_random(settings.seed, body)
    fault = _fault(settings, provider, ask, directive, random)
    if fault is not None:
        raise FaultError(fault)
    filtered = directive.error == "content_filter" and directive.error_after_chunks is None
    tool = None if filtered else _tool_call(ask, directive, random)
    pieces, finish = _text(ask, directive, tool, random)
    if filtered:
        pieces, finish = (), "filtered"
    tokens = _tokens(provider, ask, directive, pieces, tool, random, filtered)
    first_token_seconds, token_seconds = _pace(settings, ask, directive, random)
    return Answer(
        ids=ids,
        created=created,
        tokens=tokens,
        pieces=() if tool else pieces,
        tool=tool,
        finish=finish,
        vectors_seed=random.getrandbits(32),
        first_token_seconds=first_token_seconds,
        token_seconds=token_seconds,
        directive=directive,
    )


def _fault(
    settings: SimulatorSettings, provider: str, ask: Ask, directive: Directive, random: Random
) -> Fault | None:
    fault = asked_fault(directive)
    if fault is not None:
        filtered = fault.error_type is ErrorType.CONTENT_FILTER and fault.http_status is None
        in_answer = filtered and provider in _FILTERS_IN_ANSWERS
        later = ask.streamed and directive.error_after_chunks is not None
        return None if in_answer or later else fault
    if random.random() < settings.failure_rates.get(provider, 0.0):
        return _drawn_fault(random)
    if ask.input_tokens > _window(ask.model):
        return Fault(ErrorType.CONTEXT_LENGTH)
    return None


def _drawn_fault(random: Random) -> Fault:
    kind = random.random()
    if kind < 0.5:
        return Fault(ErrorType.RATE_LIMIT, retry_after=str(random.randint(1, 5)))
    return Fault(ErrorType.OVERLOADED if kind < 0.8 else ErrorType.SERVER_ERROR)


def _window(model: str) -> int:
    large = any(name in model for name in _LARGE_WINDOWS)
    return _LARGE_WINDOW_TOKENS if large else _WINDOW_TOKENS


def _tool_call(ask: Ask, directive: Directive, random: Random) -> ToolCall | None:
    if ask.embedded_texts or not (ask.tool_wanted or directive.tool):
        return None
    tool = random.choice(ask.tools) if ask.tools else _DEFAULT_TOOL
    arguments = fitting_json(tool.schema, random)
    if not isinstance(arguments, dict):
        arguments = {"query": arguments}
    return ToolCall(tool.name, arguments, json_pieces(arguments))


def _text(
    ask: Ask, directive: Directive, tool: ToolCall | None, random: Random
) -> tuple[tuple[str, ...], Finish]:
    if ask.embedded_texts:
        return (), "stop"
    if tool is not None:
        return tool.pieces, "tool"
    if directive.body_bytes is not None:
        return ("x" * directive.body_bytes,), "stop"
    if ask.json_wanted:
        pieces = json_pieces(fitting_json(ask.json_schema, random))
    elif directive.output is not None:
        return word_pieces(random, directive.output), "stop"
    else:
        pieces = word_pieces(random, draw_tokens("conversation_output", random))
    if ask.output_tokens_max is not None and len(pieces) > ask.output_tokens_max:
        return pieces[: ask.output_tokens_max], "length"
    return pieces, "stop"


def _tokens(
    provider: str,
    ask: Ask,
    directive: Directive,
    pieces: tuple[str, ...],
    tool: ToolCall | None,
    random: Random,
    filtered: bool,
) -> TokenCounts:
    prompt = _prompt_tokens(provider, ask, directive, random)
    if ask.embedded_texts or filtered:
        return prompt
    output = len(pieces) * ask.choices + (_TOOL_OVERHEAD_TOKENS if tool else 0)
    reasoning = _reasoning_tokens(ask, random)
    if directive.output is not None or directive.reasoning is not None:
        output = output if directive.output is None else directive.output
        reasoning = directive.reasoning or 0
    return TokenCounts(
        input=prompt.input,
        cache_read=prompt.cache_read,
        cache_write_5m=prompt.cache_write_5m,
        cache_write_1h=prompt.cache_write_1h,
        image_input=prompt.image_input,
        output=output,
        reasoning=reasoning,
    )


def _prompt_tokens(provider: str, ask: Ask, directive: Directive, random: Random) -> TokenCounts:
    stated = (directive.input, directive.cached, directive.cache_write, directive.cache_write_1h)
    if any(each is not None for each in stated):
        return TokenCounts(
            input=ask.input_tokens if directive.input is None else directive.input,
            cache_read=directive.cached or 0,
            cache_write_5m=directive.cache_write or 0,
            cache_write_1h=directive.cache_write_1h or 0,
        )
    whole = TokenCounts(input=ask.input_tokens, image_input=ask.image_tokens)
    explicit = provider in ("anthropic", "bedrock")
    share, chance = random.uniform(0.5, 0.9), random.random()
    if ask.embedded_texts or ask.input_tokens < _CACHEABLE_TOKENS_MIN:
        return whole
    if (explicit and ask.cache_ttl is None) or (not explicit and chance > 0.35):
        return whole
    cached = int(ask.input_tokens * share) // _CACHE_BLOCK_TOKENS * _CACHE_BLOCK_TOKENS
    writes = explicit and chance < 0.3
    return TokenCounts(
        input=ask.input_tokens - cached,
        image_input=ask.image_tokens,
        cache_read=0 if writes else cached,
        cache_write_5m=cached if writes and ask.cache_ttl == "5m" else 0,
        cache_write_1h=cached if writes and ask.cache_ttl == "1h" else 0,
    )


def _reasoning_tokens(ask: Ask, random: Random) -> int:
    if not ask.thinking:
        return 0
    tokens = 64 * random.randint(1, 12)
    return tokens if ask.output_tokens_max is None else min(tokens, ask.output_tokens_max)


def _pace(
    settings: SimulatorSettings, ask: Ask, directive: Directive, random: Random
) -> tuple[float, float]:
    model = ask.model.lower()
    size = "medium"
    if any(name in model for name in _SMALL):
        size = "small"
    elif any(name in model for name in _LARGE):
        size = "large"
    soonest, latest, slowest, fastest = _PACES[size]
    first = random.uniform(*(_EMBEDDING_SECONDS if ask.embedded_texts else (soonest, latest)))
    each = 1 / random.uniform(slowest, fastest)
    first, each = first * settings.speed, each * settings.speed
    if directive.first_token_ms is not None:
        first = directive.first_token_ms / 1000
    if directive.token_ms is not None:
        each = directive.token_ms / 1000
    return first, each
