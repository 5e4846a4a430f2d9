"""The platform's metrics of LLM calls."""

from modelmeter.in_process import LLMMetrics, get_llm_metrics

__all__ = ["LLMMetrics", "get_llm_metrics"]
