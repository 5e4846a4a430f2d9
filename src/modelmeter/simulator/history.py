"""A plausible past: calls with the rhythm of days and weeks, growth, and a bad hour."""

import math
from collections.abc import Iterator
from random import Random

import msgspec

from modelmeter.record import Caller, ErrorType, Operation, Status, TokenCounts
from modelmeter.simulator.agents import SimulatedAgent, demo_agents
from modelmeter.simulator.directive import NOTHING_ASKED
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Answer, Ask
from modelmeter.simulator.openai_request import dated_model, is_reasoning_model
from modelmeter.simulator.plan import plan_answer
from modelmeter.simulator.settings import SimulatorSettings
from modelmeter.simulator.tokens import draw_tokens
from modelmeter.simulator.words import Ids

__all__ = ["DAYS_MAX", "PastCall", "past_calls"]

DAYS_MAX = 3_660.0
"""Longest past that is made, in days."""

_HOUR_NS = 3_600 * 10**9
_DAY_NS = 24 * _HOUR_NS
_WEEKDAY_OF_EPOCH = 3
_CALLS_PER_WEEKDAY = 3_000.0
_WEEKEND_SHARE = 0.65
_GROWTH = (0.8, 1.2)
"""Load at the beginning and at the end, as a share of the usual one."""

_NIGHT_SHARE = 0.2
_PEAK_HOUR = 13.0
_PEAK_WIDTH_HOURS = 4.5
_FAILED_SHARE = 0.012
_CANCELLED_SHARE = 0.01
_BAD_HOUR_FAILED_SHARE = 0.4
_DAYS_PER_BAD_HOUR = 10.0
_WORKING_HOURS = range(9, 18)
_SYSTEM_TOKENS = 24
_CACHED_SYSTEM_TOKENS = 1_300
"""Claude's agents send a long system prompt, to be cached; the others a short one."""

_FAILURES: dict[str, tuple[tuple[Status, ErrorType, int | None], ...]] = {
    "openai": (
        (Status.ERROR, ErrorType.RATE_LIMIT, 429),
        (Status.ERROR, ErrorType.SERVER_ERROR, 500),
        (Status.TIMEOUT, ErrorType.TIMEOUT, None),
        (Status.ERROR, ErrorType.CONTEXT_LENGTH, 400),
    ),
    "anthropic": (
        (Status.ERROR, ErrorType.OVERLOADED, 529),
        (Status.ERROR, ErrorType.RATE_LIMIT, 429),
        (Status.TIMEOUT, ErrorType.TIMEOUT, None),
    ),
    "bedrock": (
        (Status.ERROR, ErrorType.RATE_LIMIT, 429),
        (Status.ERROR, ErrorType.OVERLOADED, 503),
        (Status.ERROR, ErrorType.INVALID_REQUEST, 400),
    ),
    "genai": (
        (Status.ERROR, ErrorType.RATE_LIMIT, 429),
        (Status.ERROR, ErrorType.OVERLOADED, 503),
        (Status.ERROR, ErrorType.SERVER_ERROR, 500),
    ),
}
"""Per provider, the likeliest failure first; it is the one of the bad hour."""


class PastCall(msgspec.Struct, frozen=True):
    """One call of the past, not priced yet."""

    started_at_ns: int
    """UTC, nanoseconds since 1970."""
    caller: Caller
    provider: str
    operation: Operation
    model: str
    streamed: bool
    status: Status
    error_type: ErrorType | None
    http_status: int | None
    duration_ns: int
    time_to_first_token_ns: int | None
    tokens: TokenCounts
    """All zero for a call that failed; a cancelled one has what was made until then."""
    model_answered: str | None


def past_calls(days: float, now_ns: int, seed: int) -> Iterator[PastCall]:
    """
    Give the calls of the last ``days`` before ``now_ns``, oldest first, equal for equal input.

    1,500 to 4,000 on a whole day.

    Raises:
        ValueError: ``days`` is not between 0 and `DAYS_MAX`.
    """
    if not 0 <= days <= DAYS_MAX:
        raise ValueError(f"a past of {days} days cannot be made; give 0 to {DAYS_MAX:.0f}")
    return _calls(days, now_ns, seed)


def _calls(days: float, now_ns: int, seed: int) -> Iterator[PastCall]:
    random = seeded_random(f"past:{seed}")
    agents = demo_agents()
    weights = [agent.calls_per_minute for agent in agents]
    start_ns = now_ns - round(days * _DAY_NS)
    bad_hours = _bad_hours(start_ns, now_ns, random)
    peak = max(map(_hourly_share, range(24))) * max(_GROWTH)
    mean_gap_ns = _DAY_NS / (_CALLS_PER_WEEKDAY * peak)
    at_ns = start_ns
    serial = 0
    while True:
        at_ns += 1 + round(random.expovariate(1.0) * mean_gap_ns)
        if at_ns >= now_ns:
            return
        progress = (at_ns - start_ns) / (now_ns - start_ns)
        if random.random() * peak >= _load(at_ns, progress):
            continue
        (agent,) = random.choices(agents, weights)
        serial += 1
        bad = bad_hours.get(at_ns // _HOUR_NS) == agent.provider
        yield _past_call(agent, at_ns, seed, serial, random, bad=bad)


def _hourly_share(hour: float) -> float:
    """Give the load of an hour of the day, 1 on average."""
    distance = (hour - _PEAK_HOUR) / _PEAK_WIDTH_HOURS
    return (_NIGHT_SHARE + math.exp(-distance * distance / 2)) / _MEAN_SHARE


_MEAN_SHARE = _NIGHT_SHARE + _PEAK_WIDTH_HOURS * math.sqrt(2 * math.pi) / 24


def _load(at_ns: int, progress: float) -> float:
    day = at_ns // _DAY_NS
    weekend = (day + _WEEKDAY_OF_EPOCH) % 7 >= 5
    growth = _GROWTH[0] + (_GROWTH[1] - _GROWTH[0]) * progress
    share = _hourly_share(at_ns % _DAY_NS / _HOUR_NS)
    return share * growth * (_WEEKEND_SHARE if weekend else 1.0)


def _bad_hours(start_ns: int, now_ns: int, random: Random) -> dict[int, str]:
    """Choose hours (since 1970) in which one provider is ill, about one in ten days."""
    first, last = -(-start_ns // _HOUR_NS), now_ns // _HOUR_NS
    hours = [hour for hour in range(first, last) if hour % 24 in _WORKING_HOURS]
    wanted = max(1, round((now_ns - start_ns) / _DAY_NS / _DAYS_PER_BAD_HOUR))
    chosen = random.sample(hours, min(wanted, len(hours)))
    return {hour: random.choice(tuple(_FAILURES)) for hour in chosen}


def _past_call(
    agent: SimulatedAgent, at_ns: int, seed: int, serial: int, random: Random, *, bad: bool
) -> PastCall:
    answer = _answer(agent, seed, serial, random)
    tokens = answer.tokens
    first_ns = round(answer.first_token_seconds * 1e9)
    duration_ns = first_ns + round((tokens.output + tokens.reasoning) * answer.token_seconds * 1e9)
    status, error_type, http_status = Status.SUCCESS, None, 200
    chance = random.random()
    failed = chance < (_BAD_HOUR_FAILED_SHARE if bad else _FAILED_SHARE)
    if failed:
        return _failed(agent, at_ns, first_ns, random, bad=bad)
    if agent.streamed and chance > 1 - _CANCELLED_SHARE:
        left = random.uniform(0.1, 0.9)
        status, error_type = Status.CANCELLED, ErrorType.CANCELLED
        tokens = msgspec.structs.replace(
            tokens, output=max(1, int(tokens.output * left)), reasoning=0
        )
        duration_ns = first_ns + round((duration_ns - first_ns) * left)
    return PastCall(
        started_at_ns=at_ns,
        caller=agent.caller,
        provider=agent.provider,
        operation=agent.operation,
        model=agent.model,
        streamed=agent.streamed,
        status=status,
        error_type=error_type,
        http_status=http_status,
        duration_ns=duration_ns,
        time_to_first_token_ns=first_ns if agent.streamed else None,
        tokens=tokens,
        model_answered=_model_answered(agent),
    )


def _failed(
    agent: SimulatedAgent, at_ns: int, first_ns: int, random: Random, *, bad: bool
) -> PastCall:
    failures = _FAILURES[agent.provider]
    status, error_type, http_status = failures[0] if bad else random.choice(failures)
    slow = status is Status.TIMEOUT
    return PastCall(
        started_at_ns=at_ns,
        caller=agent.caller,
        provider=agent.provider,
        operation=agent.operation,
        model=agent.model,
        streamed=agent.streamed,
        status=status,
        error_type=error_type,
        http_status=http_status,
        duration_ns=60 * 10**9 if slow else first_ns // 2,
        time_to_first_token_ns=None,
        tokens=TokenCounts(),
        model_answered=None,
    )


_SETTINGS = SimulatorSettings(speed=1.0)


def _answer(agent: SimulatedAgent, seed: int, serial: int, random: Random) -> Answer:
    """Let the simulated model answer a prompt of the agent's kind, without the prompt."""
    embeds = agent.style == "embedding"
    kind = "code_input" if agent.style == "code" else "conversation_input"
    tokens = draw_tokens(kind, random)
    reasons = agent.provider == "openai" and is_reasoning_model(agent.model)
    ask = Ask(
        operation=agent.operation,
        model=agent.model,
        streamed=agent.streamed,
        input_tokens=max(2, tokens // 4) if embeds else tokens + _system_tokens(agent),
        cache_ttl="5m" if "claude" in agent.model else None,
        thinking=reasons or agent.provider == "genai",
        json_wanted=agent.style == "json",
        embedded_texts=1 if embeds else 0,
    )
    body = f"{seed}:{serial}".encode()
    ids = Ids(seed, serial)
    return plan_answer(_SETTINGS, agent.provider, ask, NOTHING_ASKED, body, ids, 0)


def _system_tokens(agent: SimulatedAgent) -> int:
    return _CACHED_SYSTEM_TOKENS if "claude" in agent.model else _SYSTEM_TOKENS


def _model_answered(agent: SimulatedAgent) -> str | None:
    if agent.provider == "openai":
        return dated_model(agent.model)
    if agent.provider == "bedrock":
        return None if agent.operation is Operation.CONVERSE else "claude-3-5-sonnet-20240620"
    return agent.model
