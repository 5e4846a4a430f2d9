"""
Check of AWS request signatures, as Bedrock does it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from urllib.parse import quote

from modelmeter.simulator.exchange import HttpRequest

__all__ = ["is_signed_by"]

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<scope>[0-9]{8}/[\w-]+/[\w-]+/aws4_request)"
    r",\s*SignedHeaders=(?P<names>[\w;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def is_signed_by(request: HttpRequest, secret: str) -> bool:
    """Tell whether the request carries a right signature (of any age) made with ``secret``."""
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    moment = request.headers.get("x-amz-date")
    if match is None or moment is None or "host" not in match["names"].split(";"):
        return False
    canonical = _canonical_request(request, match["names"])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{match['scope']}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in match["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(
        hmac.new(key, text.encode(), "sha256").hexdigest(), match["signature"]
    )


def _canonical_request(request: HttpRequest, names: str) -> str:
    """The path is encoded once more than it came, as for every service but S3."""
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";")
    )
    query = "&".join(sorted(filter(None, request.query.decode("ascii", "replace").split("&"))))
    path = quote(request.raw_path.decode("ascii", "replace"), safe="/~")
    body_hash = hashlib.sha256(request.body).hexdigest()
    return f"{request.method}\n{path}\n{query}\n{headers}\n{names}\n{body_hash}"
