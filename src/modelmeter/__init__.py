"""modelmeter: meters every LLM call of a platform, exactly and durably."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelmeter.in_process import LLMService, get_cost_tracker, get_llm_metrics, wrap
    from modelmeter.meter import Meter

__all__ = ["LLMService", "Meter", "__version__", "get_cost_tracker", "get_llm_metrics", "wrap"]

__version__ = version("modelmeter")

_HOMES = {
    "LLMService": "modelmeter.in_process",
    "Meter": "modelmeter.meter",
    "get_cost_tracker": "modelmeter.in_process",
    "get_llm_metrics": "modelmeter.in_process",
    "wrap": "modelmeter.in_process",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for: the commands start without any of them."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
