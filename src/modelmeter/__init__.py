"""modelmeter: meters every LLM call of a platform, exactly and durably."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("modelmeter")
