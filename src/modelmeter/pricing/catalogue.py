"""The price catalogue: which listing a model id means."""

from typing import TYPE_CHECKING

import msgspec

from modelmeter.pricing.catalogue_file import CatalogueData, bundled_catalogue
from modelmeter.pricing.listing import Listing
from modelmeter.pricing.overlay import Overlay, OverlayPrice
from modelmeter.pricing.short_names import full_name

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

__all__ = ["Catalogue"]

_GOOGLE_RESOURCE = "models/"
_REGIONAL = "regional."


class Catalogue:
    """
    The prices of `genai-prices`, held privately: never updated behind the ledger's back.

    Its own lookup remembers every name it is asked for, without end; this one remembers none.
    """

    def __init__(self, data: CatalogueData | None = None) -> None:
        """``data``: the base prices; without it the bundled ones."""
        self.data = data or bundled_catalogue()
        providers = self.data.providers
        self._all_providers = providers
        self._providers: dict[str, Provider] = {provider.id: provider for provider in providers}
        self._source = self.data.source
        self._overlay = Overlay()

    def __contains__(self, provider_id: str) -> bool:
        return provider_id in self._providers

    def ids(self, provider_id: str) -> tuple[str, ...]:
        """
        The ids of a provider's models, those it sells of others, and our entries' patterns.

        Those of inference profiles without their region, each once.
        """
        provider = self._providers[provider_id]
        sellers = (provider_id, *(provider.fallback_model_providers or ()))
        listed = [name for seller in sellers for name in self.models(seller)]
        own = [
            glob
            for entry in self._overlay.prices
            if entry.provider == provider_id
            for glob in entry.models
        ]
        return tuple(dict.fromkeys((*listed, *own)))

    def bare(self, provider: str, model: str) -> Listing:
        """A model of which no catalogue knows anything."""
        return Listing(
            provider_id=provider,
            name=model,
            model=None,
            resold=False,
            source="modelmeter",
            overlay=self._overlay,
            own=(),
        )

    def models(self, provider_id: str) -> list[str]:
        """The ids of a provider's models; those of inference profiles without their region."""
        return [model.id.removeprefix(_REGIONAL) for model in self._providers[provider_id].models]

    def find(self, provider_id: str, model: str) -> Listing | None:
        """
        The listing that ``model`` means at a provider of the catalogue, or None.

        Dated versions, aliases, inference profiles, ARNs and fine-tunes are the catalogue's to
        know; Google's ``models/…`` and ``projects/…/models/…`` are read here.
        """
        if not model:
            return None
        model = full_name(provider_id, model)
        provider = self._providers[provider_id]
        own = self._overlay.prices_of(provider_id, model)
        names = (model, model.rpartition(_GOOGLE_RESOURCE)[2])
        for name in dict.fromkeys(filter(None, names)):
            found = provider.find_model(name, all_providers=self._all_providers)
            if found is not None:
                return self._listing(provider, model, found, own)
        if not own:
            return None
        return msgspec.structs.replace(self.bare(provider_id, model), own=own)

    def _listing(
        self,
        provider: "Provider",
        name: str,
        model: "ModelInfo",
        own: tuple[OverlayPrice, ...],
    ) -> Listing:
        sellers = (provider.id, *(provider.fallback_model_providers or ()))
        owner = next(
            seller
            for seller in sellers
            if any(model is listed for listed in self._providers[seller].models)
        )
        return Listing(
            provider_id=provider.id,
            name=name,
            model=model,
            resold=owner != provider.id,
            source=f"{self._source}, {owner} {model.id}",
            overlay=self._overlay,
            own=own,
        )
