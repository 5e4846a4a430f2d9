"""The platform's costs of LLM calls: estimates by model, and what was spent by day."""

from modelmeter.errors import UnknownModelError
from modelmeter.in_process import CostTracker, LLMCostCalculator, get_cost_tracker
from modelmeter.service.cost_calculator import ModelPricing
from modelmeter.service.cost_tracker import CostEntry, DailyCostSummary

__all__ = [
    "CostEntry",
    "CostTracker",
    "DailyCostSummary",
    "LLMCostCalculator",
    "ModelPricing",
    "UnknownModelError",
    "get_cost_tracker",
]
