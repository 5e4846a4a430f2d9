"""Whose model a name means, by itself or beside a provider; and names that are like it."""

import difflib
from collections.abc import Collection, Mapping, Sequence

import msgspec

from modelmeter.errors import SettingsError
from modelmeter.pricing import PriceBook
from modelmeter.pricing.short_names import SHORT_NAMES
from modelmeter.pricing.usage_line import provider_name
from modelmeter.service.model_provider import provider_of_model

__all__ = ["PROVIDERS", "Named", "Seller", "named", "nobody_knows", "seller_of"]

PROVIDERS = ("openai", "anthropic", "genai", "bedrock")
"""Where models are looked up if no provider is named."""
NEAR_NAMES_MAX = 3
"""Names that are suggested for one that nobody knows."""


class Named(msgspec.Struct, frozen=True):
    """A model as its provider calls it, and where it is to be looked up."""

    model: str
    providers: tuple[str, ...]


def named(
    text: str, provider: str | None, book: PriceBook, configured: Collection[str] = ()
) -> Named:
    """
    What ``text`` names: a model, or ``provider/model`` as the gateway's ``/v1`` has it.

    Who sells the models of many makers calls them by names with a slash of their own, so what
    stands before the slash counts for less than such a ``provider``.

    Args:
        provider: the one that was named beside it, if any.
        book: knows further providers by their prices.
        configured: names of the configuration's providers.

    Raises:
        SettingsError: two providers are named, and each sells models of its own alone.
    """
    word, slash, model = text.partition("/")
    first = _provider_in(word, book, configured) if slash and model else None
    if provider is None:
        return Named(text, PROVIDERS) if first is None else Named(model, (first,))
    asked = provider if provider in configured else provider_name(provider)
    if first == asked:
        return Named(model, (asked,))
    if first is not None and asked in PROVIDERS:
        raise SettingsError(f"{text!r} is a model of {first}, and --provider says {provider}")
    return Named(text, (asked,))


def _provider_in(word: str, book: PriceBook, configured: Collection[str]) -> str | None:
    if word in configured:
        return word
    name = provider_name(word)
    return name if name in PROVIDERS or book.listed_ids(name) else None


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


def nobody_knows(book: PriceBook, name: Named) -> str:
    """That no price is known for a model, and what may have been meant."""
    model, providers = name.model, name.providers
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
