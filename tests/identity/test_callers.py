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
        [(b"x-api-key", KEY), (b"x-agent-id", b"meetmind.a"), (b"x-tenant-id", b"globex")],
        [(b"x-api-key", KEY), (b"x-agent-id", b"meetmind.a"), (b"x-team", b"finpilot")],
        [(b"x-api-key", KEY), (b"x-agent-id", b"unknown")],
        [(b"x-api-key", KEY), (b"x-team", b"meetmind")],
        [(b"x-api-key", READER)],
    ],
)
def test_a_key_does_nothing_it_is_not_for(headers: Headers) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        with_keys().identify(headers, NOW)

    assert caught.value.http_status == 403


def test_a_key_for_certain_agents_wants_to_know_which_one() -> None:
    """Else its calls would be entered under nobody, beside the budgets of its team."""
    with pytest.raises(RefusedRequestError, match="x-agent-id") as caught:
        with_keys().identify([(b"x-api-key", KEY)], NOW)

    assert (caught.value.http_status, caught.value.refusal_code) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("fields", "said", "caller"),
    [
        # Certain agents: the team is theirs, by their name or by the table of teams.
        ({"agents": ["meetmind.*"]}, ("meetmind.a", "meetmind"), ("meetmind.a", "meetmind")),
        ({"agents": ["infra.*"]}, ("infra.a", "core"), ("infra.a", "core")),
        ({"agents": ["infra.*"]}, ("infra.a", "infra"), None),
        ({"agents": ["a.*", "b.*"]}, ("b.x", "a"), None),
        ({"agents": ["a.*", "u*"]}, ("", ""), ("unknown", "unknown")),
        ({"agents": ["a.*", "u*"]}, ("", "a"), None),
        # A team: it holds whichever agent calls, and where none is named.
        ({"agents": ["a.*"], "team": "t"}, ("a.x", ""), ("a.x", "t")),
        ({"agents": ["a.*"], "team": "t"}, ("", "t"), ("unknown", "t")),
        ({"agents": ["a.*"], "team": "t"}, ("a.x", "a"), None),
        # All agents and no team: both are the caller's to say.
        ({}, ("", ""), ("unknown", "unknown")),
        ({}, ("a.x", "t"), ("a.x", "t")),
        ({"agents": ["a.*", "*"]}, ("a.x", "t"), ("a.x", "t")),
        ({"agents": ["**"]}, ("", "t"), ("unknown", "t")),
    ],
)
def test_whom_a_key_may_charge(
    fields: dict[str, object], said: tuple[str, str], caller: tuple[str, str] | None
) -> None:
    settings = {"keys": [key_of(KEY, **fields)], "teams": {"core": ["infra.*"]}}
    identity = Identity(Settings.model_validate(settings))
    pairs = zip((b"x-agent-id", b"x-team"), said, strict=True)
    headers = [(b"x-api-key", KEY), *((name, text.encode()) for name, text in pairs if text)]

    if caller is None:
        with pytest.raises(RefusedRequestError) as caught:
            identity.identify(headers, NOW)
        assert (caught.value.http_status, caught.value.refusal_code) == (403, "not_allowed")
    else:
        found = identity.identify(headers, NOW)
        assert (found.agent_id, found.team) == caller


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
