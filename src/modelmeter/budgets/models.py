"""Which models of a budget nobody has a price for, or are dearer: most likely slips of the pen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from modelmeter.pricing.quote import Quote
from modelmeter.record import TokenCounts
from modelmeter.settings.budgets import BudgetSettings
from modelmeter.settings.model import BUILT_IN_PROVIDERS, ProviderSettings

__all__ = ["Quoter", "dearer_models", "doubtful_downgrades", "unknown_models"]

Place = tuple[str | int, ...]
_SOME = (TokenCounts(input=1000), TokenCounts(output=1000))
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
) -> Iterator[tuple[Place, str]]:
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


def dearer_models(
    budgets: Sequence[BudgetSettings],
    providers: Mapping[str, ProviderSettings],
    prices: Quoter,
    now_ns: int,
) -> Iterator[tuple[Place, str]]:
    """
    Places in ``[[budgets]]`` where a model is downgraded to one that costs more.

    Where it costs more for input or for output and less for neither, it is never cheaper. All
    providers that have a price for both must say so.
    """
    for index, budget in enumerate(budgets):
        for model, cheaper in budget.downgrade.items():
            found = _differences(budget, providers, prices, now_ns, (model, cheaper))
            if found and all(_is_dearer(two) for two in found):
                why = f"is {cheaper!r}, which is dearer: downgrade to a cheaper model"
                yield ("budgets", index, "downgrade", model), why


def doubtful_downgrades(
    budgets: Sequence[BudgetSettings],
    providers: Mapping[str, ProviderSettings],
    prices: Quoter,
    now_ns: int,
) -> Iterator[tuple[Place, str]]:
    """Downgrades of which nobody can tell that they always save something, and why."""
    for index, budget in enumerate(budgets):
        for model, cheaper in budget.downgrade.items():
            place: Place = ("budgets", index, "downgrade", model)
            found = _differences(budget, providers, prices, now_ns, (model, cheaper))
            if not found:
                yield place, f"is {cheaper!r}: nobody here has a price for both, to compare them"
            elif any(_is_dearer(two) for two in found):
                yield place, f"is {cheaper!r}, which is dearer at one of the providers"
            elif any(min(two) < 0 < max(two) for two in found):
                dearer = "input" if any(of_input > 0 for of_input, _ in found) else "output"
                yield place, f"is {cheaper!r}, which is cheaper, but not for its {dearer}"


def _is_dearer(costs: tuple[int, int]) -> bool:
    return min(costs) >= 0 < max(costs)


def _differences(
    budget: BudgetSettings,
    providers: Mapping[str, ProviderSettings],
    prices: Quoter,
    now_ns: int,
    models: tuple[str, str],
) -> list[tuple[int, int]]:
    """
    How much the second model costs more than the first, by each provider with a price for both.

    Pico-dollars, for a thousand tokens of input and of output.
    """
    names = providers if budget.provider is None else (budget.provider,)
    found = []
    for name in names:
        first, second = (prices.quote(name, model, now_ns) for model in models)
        # A ceiling is everybody's price: it compares nothing.
        if first.priced_model is None or second.priced_model is None:
            continue
        input_, output = (second.price(one).cost - first.price(one).cost for one in _SOME)
        found.append((input_, output))
    return found


def _is_own(provider: str | None, providers: Mapping[str, ProviderSettings]) -> bool:
    if provider is None or provider in BUILT_IN_PROVIDERS:
        return False
    return provider in providers and providers[provider].kind == "openai"
