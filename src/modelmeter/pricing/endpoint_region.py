"""Which region an upstream's address serves from, where the address says so."""

import re
from types import MappingProxyType
from urllib.parse import urlsplit

__all__ = ["region_of_endpoint"]

_HOSTS = MappingProxyType(
    {
        "bedrock": re.compile(r"(?:.+\.)?bedrock-runtime(?:-fips)?\.([a-z]{2}[a-z0-9-]+)\..+"),
        "genai": re.compile(r"([a-z0-9-]+)-aiplatform\.googleapis\.com"),
        "openai": re.compile(r"(us|eu)\.api\.openai\.com"),
    }
)
"""
The host of each kind of upstream, with its region.

https://docs.aws.amazon.com/general/latest/gr/bedrock.html,
https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations,
https://platform.openai.com/docs/guides/your-data (regional processing).
"""
_MULTI_REGION = re.compile(r"aiplatform\.(us|eu)\.rep\.googleapis\.com")


def region_of_endpoint(kind: str, base_url: str) -> str | None:
    """The region in the host of ``base_url``; None if it names none."""
    host = (urlsplit(base_url).hostname or "").lower()
    pattern = _HOSTS.get(kind)
    found = None if pattern is None else pattern.fullmatch(host)
    if found is None and kind == "genai":
        found = _MULTI_REGION.fullmatch(host)
    return None if found is None else found.group(1)
