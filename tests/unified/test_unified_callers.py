"""Who calls ``/v1``, what they may, what the cache and budgets do, and what if they leave."""

import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from ledger_file import query
from odd_upstream import usual
from openai.types.chat import ChatCompletionMessageParam
from unified_under_test import ROUTING, UnifiedUnderTest, running_unified

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
EXTRA = """
[cache]
enabled = true

[[budgets]]
name = "svea-calls"
team = "svea"
window = "day"
limit_calls = 2
at_limit = "block"

[[budgets]]
name = "cheaper"
team = "frugal"
window = "day"
limit_usd = "0.0000001"
at_limit = "downgrade"
[budgets.downgrade]
"claude-sonnet-4-5" = "claude-haiku-4-5"
"""


@pytest.fixture(scope="module", name="unified")
def unified_with_cache_and_budgets(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UnifiedUnderTest]:
    """Over simulated providers."""
    yield from running_unified(tmp_path_factory, {}, ROUTING + EXTRA)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-3-haiku", "gemini-2.5-flash"])
def test_an_equal_call_is_a_hit_and_another_tenants_is_not(
    unified: UnifiedUnderTest, model: str, streamed: bool
) -> None:
    """The same bytes, for nothing, with its age and who answered then."""

    def ask(tenant: str) -> tuple[dict[str, str], bytes]:
        create = unified.client(**{"x-tenant-id": tenant}).chat.completions
        raw = create.with_raw_response.create(
            model=model, messages=HELLO, stream=streamed, user=f"{model}-{streamed}"
        )
        return dict(raw.headers), raw.http_response.read()

    first, second, other = ask("acme"), ask("acme"), ask("globex")

    assert first[0]["x-modelmeter-cache"] == "miss"
    assert second[0]["x-modelmeter-cache"] == "hit"
    assert int(second[0]["age"]) >= 0
    assert second[1] == first[1]
    assert second[0]["x-modelmeter-provider"] == first[0]["x-modelmeter-provider"]
    assert second[0]["x-modelmeter-call-id"] != first[0]["x-modelmeter-call-id"]
    assert other[0]["x-modelmeter-cache"] == "miss"
    ((cached, cost, saved),) = query(
        unified.ledger,
        "SELECT cached, cost_pico_usd, cost_saved_pico_usd > 0 FROM entry"
        f" WHERE id = '{second[0]['x-modelmeter-call-id']}'",
    )
    assert (cached, cost, saved) == (1, 0, 1)


def test_simultaneous_equal_calls_are_made_once(unified: UnifiedUnderTest) -> None:
    """64 at once, one upstream call, 64 equal answers."""
    client = unified.client(**{"x-agent-id": "many.callers"})

    def ask(_: int) -> str | None:
        answer = client.chat.completions.create(
            model="claude-haiku-4-5",
            messages=[{"role": "user", "content": "[[simulate first_token_ms=300 output=20]]"}],
        )
        return answer.choices[0].message.content

    with ThreadPoolExecutor(64) as pool:
        texts = set(pool.map(ask, range(64)))

    assert len(texts) == 1
    assert query(
        unified.ledger,
        "SELECT cached, count(*) FROM entry WHERE agent_id = 'many.callers' GROUP BY 1",
    ) == [(0, 1), (1, 63)]


@pytest.mark.parametrize(
    "directive", ["status=500", "output=50 cut_after_chunks=4", "output=50 error_after_chunks=4"]
)
def test_what_failed_is_not_kept(unified: UnifiedUnderTest, directive: str) -> None:
    """The same call fails anew, and is no hit."""
    client = unified.client(**{"x-agent-id": f"failing.{directive[:6]}.{len(directive)}"})

    for _ in range(2):
        with pytest.raises(openai.APIError):
            list(
                client.chat.completions.create(
                    model="claude-haiku-4-5",
                    messages=[{"role": "user", "content": f"[[simulate {directive}]]"}],
                    stream=True,
                )
            )

    assert query(
        unified.ledger,
        "SELECT count(*) FROM entry WHERE cached AND agent_id LIKE 'failing.%'",
    ) == [(0,)]


def test_a_budget_refuses_with_the_sdks_own_error(unified: UnifiedUnderTest) -> None:
    """Which budget, and that trying again is of no use."""
    client = unified.client(**{"x-agent-id": "svea.pm", "cache-control": "no-store"})
    for _ in range(2):
        client.chat.completions.create(model="claude-3-haiku", messages=HELLO, max_tokens=5)

    with pytest.raises(openai.RateLimitError, match="svea-calls") as refused:
        client.chat.completions.create(model="gemini-2.5-flash", messages=HELLO, max_tokens=5)

    assert refused.value.code == "budget_exceeded"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.response.headers["x-modelmeter-budget"] == "svea-calls"


def test_a_budget_that_downgrades_has_the_cheaper_model_answer(unified: UnifiedUnderTest) -> None:
    """The request is translated anew for it, and the answer names it."""
    client = unified.client(**{"x-agent-id": "frugal.a", "cache-control": "no-store"})

    raw = client.chat.completions.with_raw_response.create(
        model="claude-sonnet-4-5", messages=HELLO, max_tokens=5
    )

    assert raw.headers["x-modelmeter-model"] == "claude-haiku-4-5"
    assert raw.headers["x-modelmeter-model-requested"] == "claude-sonnet-4-5"
    assert raw.headers["x-modelmeter-model-used"] == "claude-haiku-4-5"
    assert raw.headers["x-modelmeter-downgraded-by"] == "cheaper"
    assert raw.parse().model == "claude-haiku-4-5"
    call_id = raw.headers["x-modelmeter-call-id"]
    assert query(
        unified.ledger, f"SELECT model, model_requested FROM entry WHERE id = '{call_id}'"
    ) == [("claude-haiku-4-5", "claude-sonnet-4-5")]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5", "claude-3-haiku"])
def test_a_caller_who_leaves_is_metered_with_what_was_used(
    unified: UnifiedUnderTest, model: str
) -> None:
    """The rest is read on for its usage, which comes last: the counts are the provider's own."""
    place = urlsplit(unified.gateway)
    agent = f"leaving.{model}"
    connection = http.client.HTTPConnection(str(place.hostname), place.port)
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(
            {
                "model": model,
                "stream": True,
                "messages": [{"role": "user", "content": "[[simulate output=400 token_ms=2]]"}],
            }
        ),
        {
            "content-type": "application/json",
            "authorization": "Bearer sk-caller",
            "x-agent-id": agent,
            "cache-control": "no-store",
        },
    )
    answer = connection.getresponse()
    assert answer.read(20)
    answer.close()
    connection.close()

    assert _settled(unified.ledger, agent) == ("cancelled", "priced", 400)


def _settled(ledger: Path, agent: str) -> tuple[object, ...]:
    """The agent's only entry, once it is there."""
    for _ in range(3000):
        rows = query(
            ledger,
            f"SELECT status, cost_state, tokens_output FROM entry WHERE agent_id = '{agent}'",
        )
        if rows:
            (row,) = rows
            return row
        time.sleep(0.01)
    raise AssertionError("the call was never settled")


def test_a_gateway_key_never_goes_to_a_provider(unified: UnifiedUnderTest) -> None:
    """Where the operator has no key for a provider either, that is the error."""
    client = openai.OpenAI(base_url=f"{unified.gateway}/v1", api_key="mm-key", max_retries=0)

    with pytest.raises(openai.InternalServerError, match=r"providers\.anthropic\.api_key"):
        client.chat.completions.create(model="claude-haiku-4-5", messages=HELLO)


SECRET = "mm-Acme1-0123456789abcdef0123456789abcdef"
KEYS = f"""
[[keys]]
id = "Acme1"
sha256 = "{hashlib.sha256(SECRET.encode()).hexdigest()}"
tenant_id = "acme"
agents = ["meetmind.*"]
"""


@pytest.fixture(scope="module", name="guarded")
def unified_with_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnifiedUnderTest]:
    """Callers need a gateway key; the odd provider has the operator's."""
    yield from running_unified(tmp_path_factory, {"usual": usual}, ROUTING + KEYS)


def test_a_gateway_key_says_who_calls_and_what_it_may(guarded: UnifiedUnderTest) -> None:
    """Without one nothing is answered, and nobody calls for another's agent."""
    bare = guarded.client()
    with pytest.raises(openai.AuthenticationError):
        bare.models.list()
    with pytest.raises(openai.AuthenticationError):
        _ask(bare)
    with pytest.raises(openai.PermissionDeniedError, match="svea"):
        _ask(bare.with_options(api_key=SECRET, default_headers={"x-agent-id": "svea.pm"}))

    _ask(bare.with_options(api_key=SECRET))

    assert query(guarded.ledger, "SELECT tenant_id, agent_id, key_id, provider FROM entry") == [
        ("acme", "meetmind.coordinator", "Acme1", "odd")
    ]
    assert b"Bearer sk-odd" in guarded.odd.heads["usual"]


def test_behind_gateway_keys_a_callers_provider_key_goes_nowhere(
    guarded: UnifiedUnderTest,
) -> None:
    """Also beside a valid key, where the operator has none for the provider."""
    client = guarded.client(**{"x-modelmeter-key": SECRET})

    with pytest.raises(openai.InternalServerError, match=r"providers\.anthropic\.api_key"):
        client.chat.completions.create(model="claude-haiku-4-5", messages=HELLO)


def _ask(client: openai.OpenAI) -> object:
    return client.chat.completions.create(model="odd/gpt-4o", messages=HELLO)
