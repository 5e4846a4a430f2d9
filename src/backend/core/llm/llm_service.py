"""The platform's calls of models."""

from modelmeter.errors import APIKeyError, LLMServiceError, RateLimitError
from modelmeter.errors import LLMTimeoutError as TimeoutError  # noqa: A004 - the platform's name
from modelmeter.in_process import PlatformService as LLMService

BaseLLMService = LLMService

__all__ = [
    "APIKeyError",
    "BaseLLMService",
    "LLMService",
    "LLMServiceError",
    "RateLimitError",
    "TimeoutError",
]
