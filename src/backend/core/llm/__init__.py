"""LLM calls on the platform: metrics, costs, the cache, and the calls themselves."""

from backend.core.llm.cache_manager import CacheManager
from backend.core.llm.cost_calculator import (
    CostEntry,
    CostTracker,
    DailyCostSummary,
    LLMCostCalculator,
    get_cost_tracker,
)
from backend.core.llm.llm_service import (
    APIKeyError,
    BaseLLMService,
    LLMService,
    LLMServiceError,
    RateLimitError,
)
from backend.core.llm.metrics import LLMMetrics, get_llm_metrics

__all__ = [
    "APIKeyError",
    "BaseLLMService",
    "CacheManager",
    "CostEntry",
    "CostTracker",
    "DailyCostSummary",
    "LLMCostCalculator",
    "LLMMetrics",
    "LLMService",
    "LLMServiceError",
    "RateLimitError",
    "get_cost_tracker",
    "get_llm_metrics",
]
