"""A metered operation has one spelling; what another reader may take for it is refused."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import PROVIDER_KINDS, dialect_for
from modelmeter.providers.spelling import operation_at, plain_path
from modelmeter.record import Operation

METERED = {
    "openai": [
        "/chat/completions", "/responses", "/embeddings", "/completions",
        "/deployments/my;gpt/chat/completions", "/openai/deployments/a%2Fb/embeddings",
    ],
    "anthropic": ["/v1/messages", "/messages"],
    "genai": [
        "/v1beta/models/gemini-2.5-pro:generateContent", "/models/m:streamGenerateContent",
        "/v1beta/tunedModels/t:generateContent", "/v1/models/a%2Fb%3Ac:embedContent",
        "/v1/projects/p/locations/l/publishers/google/models/m:generateContent",
    ],
    "bedrock": [
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse",
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/invoke",
        "/model/arn:aws:bedrock:us-east-1:1:inference-profile/x/invoke-with-response-stream",
    ],
}  # fmt: skip
RELAYED = {
    "openai": [
        "/files", "/models", "/batches", "/chat/completions/chatcmpl-1", "/responses/r/cancel",
        "/fine_tuning/jobs/", "/audio/speech", "/images/generations", "/deployments/m/audio/speech",
    ],
    "anthropic": ["/v1/messages/batches", "/v1/messages/count_tokens", "/v1/files/"],
    "genai": [
        "/v1beta/models/m:countTokens", "/v1beta/cachedContents", "/upload/v1beta/files",
        "/v1beta/models/m:batchGenerateContent",
    ],
    "bedrock": [
        "/model/m/count-tokens", "/async-invoke", "/guardrail/g/version/1/apply",
        "/model/anthropic.claude-v1%3A0/converse/more", "/model/%63ount-tokens/x",
    ],
}  # fmt: skip
OTHERWISE: dict[str, Callable[[str], str]] = {
    "a slash at the end": lambda path: path + "/",
    "an escaped slash at the end": lambda path: path + "%2f",
    "a slash escaped twice": lambda path: path + "%252F",
    "two slashes": lambda path: path.replace("/", "//"),
    "an escaped slash": lambda path: "/" + path[1:].replace("/", "%2F"),
    "a parameter": lambda path: path + ";x",
    "a parameter with a value": lambda path: path + ";a=b/",
    "a parameter of the first segment": lambda path: path.replace("/", "/;x/", 1),
    "capital letters": str.upper,
    "an escaped letter": lambda path: path[:-1] + f"%{ord(path[-1]):02x}",
    "letters escaped twice": lambda path: path[:-1] + f"%25{ord(path[-1]):02X}",
    "an escaped query": lambda path: path + "%3Fx=1",
    "an escaped fragment": lambda path: path + "%23x",
    "a blank at the end": lambda path: path + "%20",
    "a dot at the end": lambda path: path + ".",
    "a dot segment": lambda path: path + "/.",
    "a step up": lambda path: path + "/x/..",
    "an escaped step up": lambda path: path + "/x/%2e%2E",
    "a step up with a parameter": lambda path: path + "/x/..;/",
    "another slash": lambda path: path.replace("/", "\\"),
}


def every(paths: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Each path with its provider's kind."""
    return [(kind, path) for kind, group in paths.items() for path in group]


@pytest.mark.parametrize(("kind", "path"), every(METERED))
def test_an_operation_is_metered(kind: str, path: str) -> None:
    assert operation_at(dialect_for(kind), "POST", path) is not None


@pytest.mark.parametrize(("kind", "path"), every(RELAYED))
def test_what_is_no_operation_in_any_spelling_is_relayed(kind: str, path: str) -> None:
    assert operation_at(dialect_for(kind), "POST", path) is None


@pytest.mark.parametrize("spelling", OTHERWISE)
@pytest.mark.parametrize(("kind", "path"), every(METERED))
def test_another_spelling_is_metered_or_refused(kind: str, path: str, spelling: str) -> None:
    dialect, other = dialect_for(kind), OTHERWISE[spelling](path)

    if dialect.operation("POST", other) is None:
        with pytest.raises(RefusedRequestError, match="not exactly") as refused:
            operation_at(dialect, "POST", other)
        assert (refused.value.http_status, refused.value.refusal_code) == (404, "inexact_path")


@pytest.mark.parametrize(("kind", "path"), every(METERED))
def test_another_method_is_relayed(kind: str, path: str) -> None:
    assert operation_at(dialect_for(kind), "GET", path + "/") is None


@given(st.text(alphabet="/.;%2fFeE5cCsS?#\\ aA", max_size=60))
def test_a_plain_path_is_plain(path: str) -> None:
    plain = plain_path("/" + path)

    assert plain.startswith("/")
    assert plain == "/" or not plain.endswith("/")
    assert not set(plain) & set(";?#\\A")
    assert not {"", ".", ".."} & set(plain[1:].split("/")) or plain == "/"


@given(st.sampled_from(PROVIDER_KINDS), st.text(max_size=80))
def test_any_path_is_read(kind: str, path: str) -> None:
    with suppress(RefusedRequestError):
        assert operation_at(dialect_for(kind), "POST", "/" + path) in (None, *Operation)
