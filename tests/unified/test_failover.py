"""When the first provider fails: what the caller sees, what each attempt is, what metrics say."""

import socket
import urllib.request
import uuid
from collections.abc import Iterator

import openai
import pytest
from ledger_file import query
from odd_upstream import (
    ANSWER,
    EVENTS,
    HEAD,
    ROLE,
    WORD,
    Behaviour,
    falls_silent_after,
    resets_after,
    usual,
)
from openai.types.chat import ChatCompletionMessageParam
from unified_under_test import UnifiedUnderTest, running_unified

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
ERROR = b'{"error":{"message":"odd trouble","type":"odd","param":null,"code":null}}'
CIRCUIT = """
[routing]
attempts = 1
circuit_failures = 2
circuit_open_seconds = 2
"""


def answers(status: bytes, body: bytes = ERROR, headers: bytes = b"") -> Behaviour:
    """A whole answer."""
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%b" % (status, headers)

    def behave(connection: socket.socket) -> bool:
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        return True

    return behave


class Recovering:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, behaviour: Behaviour) -> None:
        self.calls = 0
        self._failures = failures
        self._behaviour = behaviour

    def __call__(self, connection: socket.socket) -> bool:
        self.calls += 1
        return (self._behaviour if self.calls <= self._failures else usual)(connection)


BEHAVIOURS: dict[str, Behaviour] = {
    "usual": usual,
    "fails": answers(b"500 Internal Server Error"),
    "overloaded": answers(b"503 Service Unavailable"),
    "limited": answers(b"429 Too Many Requests", headers=b"retry-after: 3600\r\n"),
    "limited-for-an-age": answers(b"429 Too Many Requests", headers=b"retry-after: 1000000000\r\n"),
    "limited-shortly": Recovering(
        1, answers(b"429 Too Many Requests", headers=b"retry-after-ms: 20\r\n")
    ),
    "fails-once": Recovering(1, answers(b"500 Internal Server Error")),
    "refuses": answers(b"400 Bad Request"),
    "unauthorized": answers(b"401 Unauthorized"),
    "redirects": answers(b"307 Temporary Redirect", headers=b"location: http://127.0.0.1:9/\r\n"),
    "garbles": answers(b"200 OK", body=b"<html>"),
    "silent": falls_silent_after(b""),
    "resets-at-once": resets_after(b""),
    "resets-amid-body": resets_after(HEAD + b"content-length: 500\r\n\r\n" + ANSWER[:40]),
    "resets-before-token": resets_after(EVENTS + ROLE),
    "resets-after-token": resets_after(EVENTS + ROLE + WORD),
    "silent-before-token": falls_silent_after(EVENTS + ROLE),
    "silent-after-token": falls_silent_after(EVENTS + ROLE + WORD),
    "errs-before-token": resets_after(EVENTS + b"data: " + ERROR + b"\n\n"),
}
RETRIED = {
    "fails": ("error", "server_error"),
    "overloaded": ("error", "overloaded"),
    "redirects": ("error", "bad_response"),
    "garbles": ("error", "bad_response"),
    "resets-at-once": ("error", "connection"),
    "resets-amid-body": ("error", "connection"),
}
STREAM_RETRIED = {
    "fails": ("error", "server_error"),
    "resets-at-once": ("error", "connection"),
    "resets-before-token": ("error", "connection"),
    "errs-before-token": ("error", "server_error"),
}


@pytest.fixture(scope="module", name="unified")
def unified_with_an_odd_provider(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UnifiedUnderTest]:
    """Circuits that never open, so that each test finds its route as configured."""
    yield from running_unified(tmp_path_factory, BEHAVIOURS)


@pytest.fixture(name="guarded")
def unified_with_circuits(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UnifiedUnderTest]:
    """Circuits that open after two failures."""
    yield from running_unified(tmp_path_factory, BEHAVIOURS, CIRCUIT)


@pytest.mark.parametrize("behaviour", RETRIED)
def test_a_failed_answer_is_made_by_the_next_provider(
    unified: UnifiedUnderTest, behaviour: str
) -> None:
    """The first is asked twice; each attempt is an entry, and only the last one costs."""
    request_id = uuid.uuid4().hex

    raw = unified.client(**{"x-request-id": request_id}).chat.completions.with_raw_response.create(
        model="smart", messages=HELLO, user=behaviour, max_tokens=9
    )

    assert raw.parse().choices[0].message.content
    assert raw.headers["x-modelmeter-provider"] == "bedrock"
    assert raw.headers["x-modelmeter-model"].startswith("us.anthropic")
    assert raw.headers["x-modelmeter-attempts"] == "3"
    failed = RETRIED[behaviour]
    assert unified.attempts(request_id) == [
        (0, "odd", *failed),
        (1, "odd", *failed),
        (2, "bedrock", "success", None),
    ]


@pytest.mark.parametrize("behaviour", STREAM_RETRIED)
def test_a_stream_that_fails_before_its_first_token_is_made_by_the_next(
    unified: UnifiedUnderTest, behaviour: str
) -> None:
    """The caller sees one whole stream, and nothing of the broken one."""
    request_id = uuid.uuid4().hex

    chunks = list(
        unified.client(**{"x-request-id": request_id}).chat.completions.create(
            model="smart", messages=HELLO, user=behaviour, max_tokens=9, stream=True
        )
    )

    assert {chunk.model for chunk in chunks} == {"us.anthropic.claude-3-haiku-20240307-v1:0"}
    assert chunks[-1].choices[0].finish_reason == "length"
    failed = STREAM_RETRIED[behaviour]
    assert unified.attempts(request_id) == [
        (0, "odd", *failed),
        (1, "odd", *failed),
        (2, "bedrock", "success", None),
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_provider_that_does_not_answer_in_time_is_asked_once(
    unified: UnifiedUnderTest, streamed: bool
) -> None:
    """Waiting twice would take twice as long."""
    request_id = uuid.uuid4().hex
    behaviour = "silent-before-token" if streamed else "silent"

    answer = unified.client(**{"x-request-id": request_id}).chat.completions.create(
        model="smart", messages=HELLO, user=behaviour, max_tokens=9, stream=streamed
    )
    list(answer)

    assert unified.attempts(request_id) == [
        (0, "odd", "timeout", "timeout"),
        (1, "bedrock", "success", None),
    ]


def test_a_wait_that_is_too_long_means_the_next_provider(unified: UnifiedUnderTest) -> None:
    """Retry-After of an hour is not waited for."""
    request_id = uuid.uuid4().hex

    unified.client(**{"x-request-id": request_id}).chat.completions.create(
        model="smart", messages=HELLO, user="limited", max_tokens=9
    )

    assert unified.attempts(request_id) == [
        (0, "odd", "error", "rate_limit"),
        (1, "bedrock", "success", None),
    ]


def test_a_wait_is_told_within_a_bound(unified: UnifiedUnderTest) -> None:
    """An hour, whatever the last provider asked for."""
    with pytest.raises(openai.RateLimitError) as limited:
        unified.client().chat.completions.create(
            model="hopeless", messages=HELLO, user="limited-for-an-age"
        )

    assert limited.value.response.headers["retry-after"] == "3600"


@pytest.mark.parametrize("behaviour", ["fails-once", "limited-shortly"])
def test_a_provider_that_recovers_answers_itself(unified: UnifiedUnderTest, behaviour: str) -> None:
    """After the wait it asked for."""
    request_id = uuid.uuid4().hex

    answer = unified.client(**{"x-request-id": request_id}).chat.completions.create(
        model="smart", messages=HELLO, user=behaviour
    )

    assert answer.choices[0].message.content == "hello"
    assert [(provider, status) for _, provider, status, _ in unified.attempts(request_id)] == [
        ("odd", "error"),
        ("odd", "success"),
    ]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [("refuses", openai.BadRequestError), ("unauthorized", openai.AuthenticationError)],
)
def test_the_callers_own_fault_is_tried_once(
    unified: UnifiedUnderTest, behaviour: str, error: type[openai.APIStatusError]
) -> None:
    """No other provider is bothered with it."""
    request_id = uuid.uuid4().hex

    with pytest.raises(error, match="odd trouble"):
        unified.client(**{"x-request-id": request_id}).chat.completions.create(
            model="smart", messages=HELLO, user=behaviour
        )

    assert [provider for _, provider, _, _ in unified.attempts(request_id)] == ["odd"]


def test_when_all_fail_the_last_error_is_told(unified: UnifiedUnderTest) -> None:
    """Two models, two attempts each, the provider's own status."""
    request_id = uuid.uuid4().hex

    with pytest.raises(openai.InternalServerError, match="odd trouble") as failed:
        unified.client(**{"x-request-id": request_id}).chat.completions.create(
            model="hopeless", messages=HELLO, user="overloaded"
        )

    assert failed.value.status_code == 503
    attempts = unified.attempts(request_id)
    assert [(number, error) for number, _, _, error in attempts] == [
        (number, "overloaded") for number in range(4)
    ]


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("resets-after-token", ("error", "connection")),
        ("silent-after-token", ("timeout", "timeout")),
    ],
)
def test_a_stream_that_fails_after_its_first_token_ends_with_an_error(
    unified: UnifiedUnderTest, behaviour: str, outcome: tuple[str, str]
) -> None:
    """What was said cannot be unsaid: nobody else goes on; what was used is estimated."""
    request_id = uuid.uuid4().hex
    said: list[str] = []
    stream = unified.client(**{"x-request-id": request_id}).chat.completions.create(
        model="smart", messages=HELLO, user=behaviour, stream=True
    )

    def listen() -> None:
        for chunk in stream:
            said.extend(choice.delta.content or "" for choice in chunk.choices)

    with pytest.raises(openai.APIError) as failed:
        listen()

    assert "".join(said) == "Good morning"
    assert failed.value.code == outcome[1]
    assert unified.attempts(request_id) == [(0, "odd", *outcome)]
    assert query(
        unified.ledger,
        "SELECT tokens_output > 0, tokens_input > 0, note IS NOT NULL FROM entry"
        f" WHERE request_id = '{request_id}'",
    ) == [(1, 1, 1)]


def test_the_series_say_what_became_of_each_attempt(unified: UnifiedUnderTest) -> None:
    """Failed attempts under the provider that failed, the answer under the one that gave it."""
    client = unified.client(**{"x-agent-id": "failing.over"})

    client.chat.completions.create(model="smart", messages=HELLO, user="fails", max_tokens=5)

    series = query(
        unified.ledger,
        "SELECT kind, labels, whole FROM series WHERE kind IN ('requests', 'errors')"
        " AND labels LIKE '%failing.over%' ORDER BY kind, labels",
    )
    claude = "us.anthropic.claude-3-haiku-20240307-v1:0"
    assert series == [
        ("errors", '["failing.over","gpt-4o","odd","server_error"]', 2),
        ("requests", '["failing.over","gpt-4o","odd","error"]', 2),
        ("requests", f'["failing.over","{claude}","bedrock","success"]', 1),
    ]


def test_a_callers_key_never_goes_to_another_provider(unified: UnifiedUnderTest) -> None:
    """It is for the provider that its model names; a route's providers have their own."""
    unified.client().chat.completions.create(model="odd/gpt-4o", messages=HELLO)
    assert b"authorization: Bearer sk-odd" in unified.odd.heads["usual"]
    assert b"sk-callers-own" not in unified.odd.heads["usual"]

    unified.client().chat.completions.create(model="smart", messages=HELLO)
    assert b"sk-callers-own" not in unified.odd.heads["usual"]


def test_a_provider_that_keeps_failing_is_left_alone_and_tried_again(
    guarded: UnifiedUnderTest,
) -> None:
    """Open after two failures, shown in the metrics; then one call tries, and closes it."""
    client = guarded.client()

    for _ in range(2):
        client.chat.completions.create(model="smart", messages=HELLO, user="fails", max_tokens=5)
    left_alone = client.chat.completions.with_raw_response.create(
        model="smart", messages=HELLO, user="usual", max_tokens=5
    )
    assert left_alone.headers["x-modelmeter-provider"] == "bedrock"
    assert left_alone.headers["x-modelmeter-attempts"] == "1"
    assert b'llm_circuit_open{provider="odd"} 1' in _metrics(guarded)

    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="odd/gpt-4o", messages=HELLO, user="usual")
    assert (refused.value.status_code, refused.value.code) == (503, "circuit_open")
    call_id = refused.value.response.headers["x-modelmeter-call-id"]
    assert query(
        guarded.ledger, f"SELECT provider, status, error_type FROM entry WHERE id = '{call_id}'"
    ) == [("odd", "blocked", "circuit_open")]

    # The circuit is half open at the earliest moment its time is over: asked for until then.
    for _ in range(1000):
        again = client.chat.completions.with_raw_response.create(
            model="smart", messages=HELLO, user="usual", max_tokens=5
        )
        if again.headers["x-modelmeter-provider"] == "odd":
            break
    assert again.headers["x-modelmeter-provider"] == "odd"
    assert b'llm_circuit_open{provider="odd"} 0' in _metrics(guarded)


def _metrics(unified: UnifiedUnderTest) -> bytes:
    with urllib.request.urlopen(f"{unified.gateway}/metrics") as answer:
        shown = answer.read()
    assert isinstance(shown, bytes)
    return shown
