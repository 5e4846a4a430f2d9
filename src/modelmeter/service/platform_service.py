"""The calls that the HappyOS platform makes: a prompt in, a plain dict out."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import TypedDict
from zoneinfo import ZoneInfo

from modelmeter.errors import (
    BudgetExceededError,
    LedgerError,
    LLMServiceError,
    RateLimitError,
    RefusedRequestError,
    SettingsError,
    ThrottledError,
)
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.record import Clock, ErrorType
from modelmeter.service.llm_service import LLMService
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.usage_stats import usage_stats

__all__ = ["PlatformService"]

_MILLISECONDS = 1000
_REFUSED = (RefusedRequestError, BudgetExceededError, ThrottledError, LedgerError)
_JSON = "json"
_JSON_WANTED = {"role": "system", "content": "Answer with one JSON object and nothing else."}
_WITHOUT_JSON_MODE = re.compile(
    r"(?:openai/)?(?:gpt-4(-0314|-0613|-32k.*)?|gpt-3\.5-turbo-(0301|0613|16k.*))"
)
"""Models of before JSON mode: https://platform.openai.com/docs/guides/structured-outputs."""
_REASONING = re.compile(r"(?:openai/)?(?:o[1-9](?:-|$)|gpt-[5-9])")
"""Models that refuse a temperature: https://platform.openai.com/docs/guides/reasoning."""


class PlatformService:
    """
    Completions and streams for agents of tenants; every failure is an `LLMServiceError`.

    Each call is metered, cached and held to its budgets as the configuration says.
    """

    def __init__(
        self, service: LLMService, ledger: LedgerAccess, clock: Clock, time_zone: ZoneInfo
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._clock = clock
        self._time_zone = time_zone

    async def generate_completion(
        self,
        prompt: str,
        agent_id: str,
        tenant_id: str,
        model: str = "gpt-4",
        temperature: float = 0.3,
        max_tokens: int = 500,
        response_format: str = "json",
    ) -> dict[str, object]:
        """
        An answer: its ``content``, ``model``, ``provider``, ``tokens`` (all together), ``cached``,
        ``cost`` (USD) and ``latency_ms``.

        ``response_format`` is ``json`` or ``text``. OpenAI's reasoning models take no temperature,
        so they are sent none.

        Raises:
            LLMServiceError: there is no answer; see its kinds.
        """
        messages: list[Mapping[str, object]] = [{"role": "user", "content": prompt}]
        json_mode = None
        if response_format == _JSON:
            # OpenAI wants the word in the conversation, and the oldest models know no more of it.
            messages.insert(0, _JSON_WANTED)
            if not _WITHOUT_JSON_MODE.fullmatch(model):
                json_mode = {"type": "json_object"}
        try:
            answer = await self._service.complete(
                model,
                messages,
                agent_id=agent_id,
                tenant_id=tenant_id,
                response_format=json_mode,
                **_sampling(model, temperature, max_tokens),
            )
        except _REFUSED as error:
            raise _service_error(error) from error
        return {
            "content": answer.text,
            "model": answer.model,
            "provider": answer.provider,
            "tokens": answer.tokens.total,
            "cached": answer.cached,
            "cost": float(answer.cost),
            "latency_ms": answer.latency_seconds * _MILLISECONDS,
        }

    async def generate_streaming_completion(
        self,
        prompt: str,
        agent_id: str,
        tenant_id: str,
        model: str = "gpt-4",
        temperature: float = 0.3,
        max_tokens: int = 500,
    ) -> AsyncIterator[str]:
        """
        The pieces of an answer's text as they come.

        Raises:
            LLMServiceError: there is no answer, or it broke off.
        """
        try:
            async with await self._service.stream(
                model,
                prompt,
                agent_id=agent_id,
                tenant_id=tenant_id,
                **_sampling(model, temperature, max_tokens),
            ) as stream:
                async for piece in stream:
                    yield piece
        except _REFUSED as error:
            raise _service_error(error) from error

    async def get_usage_stats(
        self, agent_id: str | None = None, tenant_id: str | None = None, time_range: str = "24h"
    ) -> dict[str, object]:
        """
        What the calls of ``time_range`` (``1h``, ``24h``, ``7d``, ``30d``, ``today``, …) add up to.

        Raises:
            LLMServiceError: there is no such span, or the ledger cannot be read.
        """
        wanted = UsageFilter(
            agent=() if agent_id is None else (agent_id,),
            tenant=() if tenant_id is None else (tenant_id,),
        )
        now_ns = self._clock.time_ns()
        try:
            return await asyncio.to_thread(
                self._ledger.read,
                lambda connection: usage_stats(
                    connection, wanted, time_range, now_ns, self._time_zone
                ),
            )
        except (SettingsError, LedgerError) as error:
            raise LLMServiceError(str(error), error_type=ErrorType.INVALID_REQUEST) from error

    async def close(self) -> None:
        """Close this event loop's connections to the providers."""
        await self._service.close()


class _Sampling(TypedDict, total=False):
    temperature: float
    max_tokens: int
    max_completion_tokens: int


def _sampling(model: str, temperature: float, max_tokens: int) -> _Sampling:
    if _REASONING.match(model):
        return {"max_completion_tokens": max_tokens}
    return {"temperature": temperature, "max_tokens": max_tokens}


def _service_error(
    error: RefusedRequestError | BudgetExceededError | ThrottledError | LedgerError,
) -> LLMServiceError:
    if isinstance(error, RefusedRequestError):
        return LLMServiceError(error.message, error_type=ErrorType.INVALID_REQUEST)
    if isinstance(error, ThrottledError):
        return RateLimitError(
            error.message,
            error_type=ErrorType.THROTTLED,
            retry_after_seconds=error.retry_after_seconds,
        )
    if isinstance(error, BudgetExceededError):
        return LLMServiceError(
            error.message,
            error_type=ErrorType.BUDGET_EXCEEDED,
            retry_after_seconds=error.retry_after_seconds,
        )
    return LLMServiceError(str(error), error_type=ErrorType.SERVER_ERROR)
