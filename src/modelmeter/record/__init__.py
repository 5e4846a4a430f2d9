"""The vocabulary of one metered call: pure values, no I/O."""

from modelmeter.record.bound import RESERVATION, CallBound
from modelmeter.record.call import Call, Intent
from modelmeter.record.call_id import new_call_id
from modelmeter.record.caller import UNKNOWN_AGENT, Caller, team_of_agent
from modelmeter.record.clock import Clock, SystemClock
from modelmeter.record.figures import counted, money_text, unpriced_text
from modelmeter.record.rate_card import RateCard
from modelmeter.record.teams import Teams
from modelmeter.record.tokens import TOKEN_TYPES, TokenCounts
from modelmeter.record.tools import NO_TOOLS, ToolCalls
from modelmeter.record.usd import PICO_PER_USD, PicoUsd, pico_usd, usd_text
from modelmeter.record.vocabulary import (
    ERROR_STATUSES,
    FAILED_STATUSES,
    CacheMiss,
    CostState,
    ErrorType,
    Operation,
    Status,
)

__all__ = [
    "ERROR_STATUSES",
    "FAILED_STATUSES",
    "NO_TOOLS",
    "PICO_PER_USD",
    "RESERVATION",
    "TOKEN_TYPES",
    "UNKNOWN_AGENT",
    "CacheMiss",
    "Call",
    "CallBound",
    "Caller",
    "Clock",
    "CostState",
    "ErrorType",
    "Intent",
    "Operation",
    "PicoUsd",
    "RateCard",
    "Status",
    "SystemClock",
    "Teams",
    "TokenCounts",
    "ToolCalls",
    "counted",
    "money_text",
    "new_call_id",
    "pico_usd",
    "team_of_agent",
    "unpriced_text",
    "usd_text",
]
