"""Which models of a budget nobody has a price for: most likely a slip of the pen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from modelmeter.pricing.quote import Quote
from modelmeter.settings.budgets import BudgetSettings
from modelmeter.settings.model import BUILT_IN_PROVIDERS, ProviderSettings

__all__ = ["Quoter", "unknown_models"]


_NOBODY = (
    "is a model that no provider here has a price for; if it is one of a provider of your own, "
    "name that provider too"
)


class Quoter(Protocol):
    """What is asked of a price book."""

    def quote(self, provider: str, model: str, at_ns: int) -> Quote:
        """The price of a model at a time."""
        ...


def unknown_models(
    budgets: Sequence[BudgetSettings],
    providers: Mapping[str, ProviderSettings],
    prices: Quoter,
    now_ns: int,
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """
    Places in ``[[budgets]]`` that name a model which none of its providers has a price for.

    A provider of the operator's own may serve models that no catalogue knows: where a budget
    names one, its models are taken as they are.
    """
    for index, budget in enumerate(budgets):
        if _is_own(budget.provider, providers):
            continue
        names = providers if budget.provider is None else (budget.provider,)
        wanted = [("model", budget.model)]
        wanted += [("downgrade", model) for pair in budget.downgrade.items() for model in pair]
        for field, model in wanted:
            if model is None or model.endswith("*"):
                continue
            if all(prices.quote(name, model, now_ns).rates is None for name in names):
                yield ("budgets", index, field), f"{model!r} {_NOBODY}"


def _is_own(provider: str | None, providers: Mapping[str, ProviderSettings]) -> bool:
    if provider is None or provider in BUILT_IN_PROVIDERS:
        return False
    return provider in providers and providers[provider].kind == "openai"
