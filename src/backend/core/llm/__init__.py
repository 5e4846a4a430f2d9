"""LLM calls on the platform: metrics and costs."""

from backend.core.llm.cost_calculator import (
    CostEntry,
    CostTracker,
    DailyCostSummary,
    LLMCostCalculator,
    get_cost_tracker,
)
from backend.core.llm.metrics import LLMMetrics, get_llm_metrics

__all__ = [
    "CostEntry",
    "CostTracker",
    "DailyCostSummary",
    "LLMCostCalculator",
    "LLMMetrics",
    "get_cost_tracker",
    "get_llm_metrics",
]
