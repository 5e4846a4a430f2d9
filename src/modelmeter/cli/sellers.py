"""Whose model a name means, where a command is told no provider; and names that are like it."""

import difflib
from collections.abc import Mapping, Sequence

import msgspec

from modelmeter.pricing import PriceBook
from modelmeter.pricing.short_names import SHORT_NAMES
from modelmeter.service.model_provider import provider_of_model

__all__ = ["PROVIDERS", "Seller", "nobody_knows", "seller_of"]

PROVIDERS = ("openai", "anthropic", "genai", "bedrock")
"""Where models are looked up if no provider is named."""
NEAR_NAMES_MAX = 3
"""Names that are suggested for one that nobody knows."""


class Seller(msgspec.Struct, frozen=True):
    """The provider whose price is shown."""

    provider: str
    others: tuple[str, ...] = ()
    """Those who sell a model of that name at another price."""

    @property
    def ambiguity(self) -> str | None:
        """What there is to say of ``others``; None: nothing."""
        if not self.others:
            return None
        return (
            f"the price of {self.provider}; a model of that name has another one at "
            f"{' and '.join(self.others)}: say which is meant with --provider"
        )


def seller_of(model: str, worths: Mapping[str, object]) -> Seller | None:
    """
    Whose model a name means: whose form it has, else the first who knows it; None: nobody does.

    Bedrock's ids look like nobody else's; any other name may mean models of several providers.

    Args:
        model: as it was asked for.
        worths: of each provider who has a price, what is to be compared of it.
    """
    if not worths:
        return None
    meant = provider_of_model(model)
    if meant is None or meant not in worths:
        return _first(next(iter(worths)), worths)
    if meant == "bedrock" and model not in SHORT_NAMES:
        return Seller(meant)
    return _first(meant, worths)


def _first(provider: str, worths: Mapping[str, object]) -> Seller:
    worth = worths[provider]
    return Seller(provider, tuple(name for name, other in worths.items() if other != worth))


def nobody_knows(book: PriceBook, model: str, providers: Sequence[str]) -> str:
    """That no price is known for a model, and what may have been meant."""
    names = {name for provider in providers for name in book.listed_ids(provider)}
    if names:
        near = _did_you_mean(model, sorted(name for name in names if "*" not in name))
        what = f"price is known for model {model!r}"
        what += f" of {providers[0]}" if len(providers) == 1 else ""
    else:
        near = _did_you_mean(providers[0], PROVIDERS)
        what = f"prices are known for provider {providers[0]!r}"
    return f"no {what}; {near}`modelmeter prices list` shows those that are"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=NEAR_NAMES_MAX)
    return f"did you mean {' or '.join(repr(name) for name in near)}? " if near else ""
