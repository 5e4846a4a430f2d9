"""What calls would cost, by model name alone."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import msgspec

from modelmeter.errors import UnknownModelError
from modelmeter.meter import Pricer
from modelmeter.pricing import PriceBook
from modelmeter.record import PICO_PER_USD, CostState, PicoUsd, SystemClock, TokenCounts
from modelmeter.service.model_provider import provider_of_model

__all__ = ["LLMCostCalculator", "ModelPricing", "usd_float"]

_DAYS_OF_WEEK = 7
_DAYS_OF_MONTH = 30
_THOUSAND = 1_000
_PROVIDERS = ("openai", "anthropic", "bedrock", "genai")


class ModelPricing(msgspec.Struct, frozen=True):
    """A model's ordinary price today."""

    model_name: str
    provider: str
    input_cost_per_1k: float
    """USD for 1,000 tokens of a short prompt."""
    output_cost_per_1k: float
    """USD for 1,000 tokens of the answer."""


class LLMCostCalculator:
    """
    Estimates at today's prices, in USD as floats.

    They are sums of whole pico-dollars, turned into floats at the end; the ledger never sees them.
    A name that says no provider is asked of each; Claude's short names (``claude-3-opus``) mean
    the models on Bedrock.
    """

    @classmethod
    def prices(cls) -> Pricer:
        """Where prices come from."""
        return _catalogue()

    @classmethod
    def calculate_cost(cls, model: str, prompt_tokens: int, completion_tokens: int) -> float:
        """
        What one call costs.

        Raises:
            UnknownModelError: no price is known for the model.
            ValueError: a count is negative.
        """
        return usd_float(cls._cost(model, prompt_tokens, completion_tokens))

    @classmethod
    def calculate_cost_from_total_tokens(
        cls, model: str, total_tokens: int, input_ratio: float = 0.5
    ) -> float:
        """
        What one call costs of whose tokens a share of ``input_ratio`` (0 to 1) was the prompt.

        Raises:
            UnknownModelError: no price is known for the model.
            ValueError: the count is negative, or the share is not between 0 and 1.
        """
        share = Decimal(str(input_ratio))
        if not 0 <= share <= 1:
            raise ValueError(f"input_ratio must be from 0 to 1, not {input_ratio!r}")
        prompt_tokens = int((total_tokens * share).to_integral_value(ROUND_HALF_EVEN))
        return cls.calculate_cost(model, prompt_tokens, total_tokens - prompt_tokens)

    @classmethod
    def get_model_pricing(cls, model: str) -> ModelPricing | None:
        """The price of a model, or None if none is known."""
        try:
            provider, _ = cls._priced(model, TokenCounts(input=1))
            return ModelPricing(
                model_name=model,
                provider=provider,
                input_cost_per_1k=usd_float(cls._cost(model, _THOUSAND, 0)),
                output_cost_per_1k=usd_float(cls._cost(model, 0, _THOUSAND)),
            )
        except UnknownModelError:
            return None

    @classmethod
    def estimate_monthly_cost(
        cls,
        model: str,
        requests_per_day: int,
        avg_prompt_tokens: int,
        avg_completion_tokens: int,
    ) -> dict[str, float | int | str]:
        """
        What equal calls cost a day, a week, and a month of 30 days.

        Raises:
            UnknownModelError: no price is known for the model.
            ValueError: a count is negative.
        """
        if requests_per_day < 0:
            raise ValueError(f"requests_per_day must not be negative: {requests_per_day}")
        each = cls._cost(model, avg_prompt_tokens, avg_completion_tokens)
        daily = each * requests_per_day
        return {
            "model": model,
            "requests_per_day": requests_per_day,
            "cost_per_request": usd_float(each),
            "daily_cost": usd_float(daily),
            "weekly_cost": usd_float(daily * _DAYS_OF_WEEK),
            "monthly_cost": usd_float(daily * _DAYS_OF_MONTH),
        }

    @classmethod
    def compare_model_costs(
        cls, models: Iterable[str], prompt_tokens: int, completion_tokens: int
    ) -> dict[str, float]:
        """
        What the same call costs with each of ``models``.

        Raises:
            UnknownModelError: no price is known for one of them.
            ValueError: a count is negative.
        """
        return {
            model: cls.calculate_cost(model, prompt_tokens, completion_tokens) for model in models
        }

    @classmethod
    def get_cheapest_model(
        cls, models: Iterable[str], prompt_tokens: int, completion_tokens: int
    ) -> tuple[str, float]:
        """
        The model with which a call costs least, and what it costs; the first of equals.

        Raises:
            UnknownModelError: no price is known for one of them.
            ValueError: there are no models, or a count is negative.
        """
        costs = {model: cls._cost(model, prompt_tokens, completion_tokens) for model in models}
        if not costs:
            raise ValueError("name at least one model")
        cheapest = min(costs, key=costs.__getitem__)
        return cheapest, usd_float(costs[cheapest])

    @classmethod
    def _cost(cls, model: str, prompt_tokens: int, completion_tokens: int) -> PicoUsd:
        if prompt_tokens < 0 or completion_tokens < 0:
            raise ValueError("counts of tokens must not be negative")
        _, cost = cls._priced(model, TokenCounts(input=prompt_tokens, output=completion_tokens))
        return cost

    @classmethod
    def _priced(cls, model: str, tokens: TokenCounts) -> tuple[str, PicoUsd]:
        meant = provider_of_model(model)
        now_ns = SystemClock().time_ns()
        for provider in _PROVIDERS if meant is None else (meant,):
            price = cls.prices().price(provider, model, tokens, now_ns)
            if price.state is not CostState.UNPRICED:
                return provider, price.cost
        raise UnknownModelError(
            f"no price is known for model {model!r}; look it up with `modelmeter price`, or check "
            "its spelling"
        )


@lru_cache(maxsize=1)
def _catalogue() -> PriceBook:
    return PriceBook()


def usd_float(amount: int) -> float:
    """Pico-dollars as USD: the float closest to the exact amount."""
    return amount / PICO_PER_USD
