"""Makes the page's fixtures known to the tests of this folder."""

from page_fixtures import browser, empty_gateway, gateway, look, simulator

__all__ = ["browser", "empty_gateway", "gateway", "look", "simulator"]
