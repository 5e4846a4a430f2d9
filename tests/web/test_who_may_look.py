"""Who may look at what: keys, sessions, tenants, over every path there is."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from web_under_test import NOW, entry, make_ledger, open_call, web_client

from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.session_secret import session_secret
from modelmeter.settings.keys import KeyRing
from modelmeter.settings.model import KeySettings
from modelmeter.web.sessions import SESSION_SECONDS, Sessions

OTHERS = "umbrella"
"""The tenant whose every name holds this word, so that it is found wherever it shows."""

SECRETS = {
    "everything": "mm-reader00-secret",
    "acme": "mm-acme0000-secret",
    "caller": "mm-caller00-secret",
    "expired": "mm-expired0-secret",
}


def key(name: str, **fields: object) -> dict[str, object]:
    """The configuration of a key above."""
    secret = SECRETS[name]
    return {
        "id": secret.split("-")[1],
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "scopes": ["read"],
        **fields,
    }


KEYS: dict[str, object] = {
    "keys": [
        key("everything"),
        key("acme", tenant_id="acme"),
        key("caller", scopes=["call"]),
        key("expired", expires_at="2026-11-20T15:29:00Z"),
    ]
}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Calls of two tenants."""
    path = tmp_path / "ledger.db"
    others = {
        "tenant": OTHERS,
        "team": f"{OTHERS}-team",
        "agent": f"{OTHERS}-agent",
        "model": f"{OTHERS}-model",
        "provider": f"{OTHERS}-provider",
        "state": "unpriced",
    }
    make_ledger(
        path,
        [
            entry(1, request_id="r"),
            entry(2, request_id="r", **others),
            entry(3, **others, status="error", error_type=f"{OTHERS}-error"),
            entry(4, **others, seconds_ago=10),
        ],
        rolled_up=2,
    )
    open_call(path, "open-1", provider=f"{OTHERS}-provider", tenant=OTHERS)
    return path


@pytest.fixture
async def client(ledger: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks a gateway with keys, without showing one."""
    async with web_client(ledger, KEYS) as asking:
        yield asking


def bearer(name: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"authorization": f"Bearer {SECRETS[name]}"}


async def questions(client: httpx2.AsyncClient) -> list[str]:
    """Every path that can be read, with the parameters that make it show most."""
    description = (await client.get("/openapi.json", headers=bearer("everything"))).json()
    found = []
    for path, methods in description["paths"].items():
        if "get" not in methods:
            continue
        schemas = description["components"]["schemas"]
        parameters = {one["name"]: one for one in methods["get"].get("parameters", [])}
        shown = [path.replace("{call_id}", call) for call in ("call-1", "call-2", "call-4")]
        for one in dict.fromkeys(shown):
            asked = "window=7d" if "window" in parameters else ""
            found.append(f"{one}?{asked}")
            for by in _choices(parameters.get("by"), schemas):
                found.append(f"{one}?{asked}&by={by}")
                if by in ("error_type", "provider_error_type"):
                    found.append(f"{one}?{asked}&metric=errors&by={by}")
            if "format" in parameters:
                found.append(f"{one}?{asked}&format=csv")
    return [path for path in found if not path.startswith("/api/v1/stream")]


def _choices(parameter: Any, schemas: Any) -> list[str]:
    if parameter is None:
        return []
    return list(schemas[parameter["schema"]["$ref"].rpartition("/")[2]]["enum"])


async def test_a_tenants_key_sees_nothing_of_another_tenant_on_any_path(
    client: httpx2.AsyncClient,
) -> None:
    paths = await questions(client)
    assert len(paths) > 20

    for path in paths:
        answer = await client.get(path, headers=bearer("acme"))
        assert answer.status_code in (200, 400, 404), path
        assert OTHERS not in answer.text, path


async def test_the_same_paths_do_show_both_tenants_to_a_key_without_one(
    client: httpx2.AsyncClient,
) -> None:
    shown = [
        path
        for path in await questions(client)
        if OTHERS in (await client.get(path, headers=bearer("everything"))).text
    ]

    for part in ("summary", "series", "breakdown", "calls?", "calls/call-2", "names"):
        assert any(f"/api/v1/{part}" in path for path in shown), part


async def test_the_sums_of_a_tenants_key_are_those_of_its_tenant(
    client: httpx2.AsyncClient,
) -> None:
    own = (await client.get("/api/v1/summary?window=7d", headers=bearer("acme"))).json()
    asked = await client.get(f"/api/v1/summary?tenant={OTHERS}", headers=bearer("acme"))
    both = await client.get(f"/api/v1/calls?tenant=acme&tenant={OTHERS}", headers=bearer("acme"))

    assert own["total"]["calls"] == 1
    assert own["active_requests"] == []
    assert asked.status_code == both.status_code == 403
    assert asked.json()["error"]["code"] == "tenant_not_allowed"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "invalid_gateway_key"),
        ({"authorization": "Bearer mm-reader00-wrong"}, 401, "invalid_gateway_key"),
        ({"authorization": "Bearer mm-nobody00-secret"}, 401, "invalid_gateway_key"),
        ({"authorization": "Basic bW0tcmVhZGVy"}, 401, "invalid_gateway_key"),
        ({"x-modelmeter-key": "mm-" + "x" * 600}, 401, "invalid_gateway_key"),
        ({"cookie": "modelmeter_session=reader00.1.00"}, 401, "invalid_gateway_key"),
        ({"cookie": "modelmeter_session=reader00.99999999999.00"}, 401, "invalid_gateway_key"),
        (bearer("expired"), 401, "invalid_gateway_key"),
        (bearer("caller"), 403, "key_scope"),
    ],
)
async def test_no_path_answers_to_who_may_not_read(
    client: httpx2.AsyncClient, headers: dict[str, str], status: int, code: str
) -> None:
    paths = [*await questions(client), "/api/v1/stream", "/api/v1/nothing", "/openapi.json"]
    for path in paths:
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status, path
        assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "login"),
    [
        ("/docs", "/login?next=/docs"),
        ("/calls/x", "/login?next=/calls/x"),
        (
            "/anything%3F&next=//evil.example",
            "/login?next=/anything%253F%2526next%253D//evil.example",
        ),
        ("//evil.example/api/v1/summary", "/login"),
        ("//evil.example?range=7d", "/login"),
        ("/breakdown?range=7d&team=a%20b", "/login?next=/breakdown%3Frange%3D7d%26team%3Da%2520b"),
        ("/?range=7d", "/login?next=/%3Frange%3D7d"),
        (f"/calls?agent={'a' * 3000}", "/login?next=/calls"),
        ("/", "/login"),
    ],
)
async def test_a_page_sends_strangers_to_the_login(
    client: httpx2.AsyncClient, path: str, login: str
) -> None:
    answer = await client.get(f"http://localhost{path}")

    assert answer.status_code == 303
    assert answer.headers["location"] == login


async def test_a_login_makes_a_session_that_scripts_and_other_sites_cannot_use(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/api/v1/login", json={"key": SECRETS["acme"]})

    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert SECRETS["acme"] not in cookie
    summary = (await client.get("/api/v1/summary?window=7d")).json()
    assert summary["total"]["calls"] == 1

    await client.post("/api/v1/logout")
    assert (await client.get("/api/v1/summary")).status_code == 401


async def test_a_session_over_tls_is_sent_over_tls_only(client: httpx2.AsyncClient) -> None:
    answer = await client.post("https://localhost/api/v1/login", json={"key": SECRETS["acme"]})

    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"key": "mm-reader00-wrong"}', 401),
        (b'{"key": "mm-caller00-secret"}', 403),
        (b'{"key": 7}', 400),
        (b"not json", 400),
        (b"\xff\xfe", 400),
        (b'{"key": "\xc3\xa9"}', 401),
        (b'{"key": "' + b"x" * 5000 + b'"}', 413),
    ],
)
async def test_a_login_without_a_key_that_may_read_makes_no_session(
    client: httpx2.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post("/api/v1/login", content=body)

    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert "code" in answer.json()["error"]


async def test_a_page_elsewhere_logs_nobody_in(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/login", json={"key": SECRETS["acme"]}, headers={"origin": "https://evil.example"}
    )

    assert answer.status_code == 403


async def test_a_session_ends_with_its_key(ledger: Path) -> None:
    async with web_client(ledger, KEYS) as client:
        await client.post("/api/v1/login", json={"key": SECRETS["everything"]})
        session = dict(client.cookies)
    without: dict[str, object] = {"keys": [key("acme", tenant_id="acme")]}
    other_secret = {**key("everything"), "sha256": "0" * 64}
    replaced: dict[str, object] = {"keys": [other_secret]}
    for keys, status in ((KEYS, 200), (without, 401), (replaced, 401)):
        async with web_client(ledger, keys) as client:
            for name, value in session.items():
                client.cookies.set(name, value)
            assert (await client.get("/api/v1/summary")).status_code == status


def test_a_session_is_over_after_its_time_and_no_change_of_it_counts() -> None:
    settings = KeySettings.model_validate(key("everything"))
    sessions = Sessions(b"s" * 32, KeyRing([settings]))
    begun = sessions.begin(settings, NOW)
    seconds = NOW.timestamp()

    def holds(value: str, after: float, secret: bytes = b"s" * 32) -> bool:
        moment = NOW.fromtimestamp(seconds + after, NOW.tzinfo)
        return Sessions(secret, KeyRing([settings])).key_of(value, moment) is not None

    assert holds(begun, 0)
    assert holds(begun, SESSION_SECONDS - 1)
    assert not holds(begun, SESSION_SECONDS)
    assert not holds(begun, 0, b"t" * 32)
    for place, char in enumerate(begun):
        changed = begun[:place] + ("0" if char != "0" else "1") + begun[place + 1 :]
        assert not holds(changed, 0)


def test_sessions_of_another_ledger_are_none_here(tmp_path: Path) -> None:
    secrets = set()
    for name in ("a.db", "b.db", "a.db"):
        make_ledger(tmp_path / name, [])
        connection = connect_reader(tmp_path / name)
        secrets.add(session_secret(connection))
        connection.close()

    assert len(secrets) == 2
    assert {len(secret) for secret in secrets} == {32}
