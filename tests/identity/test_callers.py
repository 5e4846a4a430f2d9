"""Who a caller is, with gateway keys and without."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.identity import Identity, strip_credentials
from modelmeter.record import Caller
from modelmeter.settings.model import Settings

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = b"mm-a1b2-the-secret"
READER = b"mm-read-only-secret"
Headers = list[tuple[bytes, bytes]]


def key_of(secret: bytes, **fields: object) -> dict[str, object]:
    """A key's table."""
    public_id = secret.split(b"-")[1].decode()
    return {"id": public_id, "sha256": hashlib.sha256(secret).hexdigest(), **fields}


def with_keys() -> Identity:
    """A gateway with a key for acme's meetmind agents, and one that may only read."""
    keys = [
        key_of(KEY, tenant_id="acme", agents=["meetmind.*"], expires_at=NOW + timedelta(days=1)),
        key_of(READER, scopes=["read"]),
    ]
    return Identity(Settings.model_validate({"keys": keys}))


def without_keys() -> Identity:
    """A gateway on loopback."""
    return Identity(Settings.model_validate({"teams": {"core": ["infra.*"]}}))


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ([], Caller("unknown", "unknown", "", "")),
        ([(b"x-agent-id", b"meetmind.notes")], Caller("meetmind.notes", "meetmind", "", "")),
        ([(b"x-agent-id", b"infra.bot")], Caller("infra.bot", "core", "", "")),
        (
            [(b"x-agent-id", b"a.b"), (b"x-team", b"t"), (b"x-tenant-id", b"acme")],
            Caller("a.b", "t", "acme", ""),
        ),
        ([(b"x-agent-id", b".b")], Caller(".b", "unknown", "", "")),
    ],
)
def test_without_keys_a_caller_is_who_it_says(headers: Headers, caller: Caller) -> None:
    assert without_keys().identify(headers, NOW) == caller


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-agent-id", b"")],
        [(b"x-agent-id", b"a" * 129)],
        [(b"x-agent-id", b"a\x1b[31m")],
        [(b"x-agent-id", b"\xff")],
        [(b"x-agent-id", b"a"), (b"x-agent-id", b"b")],
        [(b"x-team", b"a\nb")],
    ],
)
def test_a_name_that_cannot_be_used_is_refused(headers: Headers) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        without_keys().identify(headers, NOW)

    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    "place",
    [
        (b"x-modelmeter-key", KEY),
        (b"authorization", b"Bearer " + KEY),
        (b"authorization", b"bearer " + KEY),
        (b"x-api-key", KEY),
        (b"api-key", KEY),
        (b"x-goog-api-key", KEY),
    ],
)
def test_a_key_is_found_where_any_sdk_puts_it(place: tuple[bytes, bytes]) -> None:
    caller = with_keys().identify([place, (b"x-agent-id", b"meetmind.notes")], NOW)

    assert caller == Caller("meetmind.notes", "meetmind", "acme", "a1b2")


@pytest.mark.parametrize(
    "value",
    [
        b"", b"mm-", b"mm-a1b2-", b"mm-a1b2-the-secre", KEY + b"x", b"mm-zzzz-the-secret",
        b"mm-a1b2", b"mm-read-the-secret", b"sk-other", b"' OR 1=1 --", b"\x00",
        b"mm-" + b"a" * 10**6, "mm-a１b2-the-secret".encode(),
    ],
)  # fmt: skip
def test_every_wrong_key_gets_the_same_answer(value: bytes) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        with_keys().identify([(b"authorization", b"Bearer " + value)], NOW)

    assert (caught.value.http_status, str(caught.value)) == (
        401,
        "a valid gateway key (mm-…) is needed",
    )


def test_an_expired_key_is_refused_though_it_was_known() -> None:
    identity = with_keys()
    headers = [(b"x-api-key", KEY), (b"x-agent-id", b"meetmind.a")]
    identity.identify(headers, NOW)

    with pytest.raises(RefusedRequestError) as caught:
        identity.identify(headers, NOW + timedelta(days=1))

    assert caught.value.http_status == 401


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", KEY), (b"x-agent-id", b"finpilot.a")],
        [(b"x-api-key", KEY), (b"x-tenant-id", b"globex")],
        [(b"x-api-key", READER)],
    ],
)
def test_a_key_does_nothing_it_is_not_for(headers: Headers) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        with_keys().identify(headers, NOW)

    assert caught.value.http_status == 403


def test_no_credential_survives_the_strip() -> None:
    headers = [
        (b"authorization", b"Bearer x"),
        (b"x-api-key", b"x"),
        (b"api-key", b"x"),
        (b"x-goog-api-key", b"x"),
        (b"x-modelmeter-key", b"x"),
        (b"content-type", b"application/json"),
    ]

    assert strip_credentials(headers) == [(b"content-type", b"application/json")]
