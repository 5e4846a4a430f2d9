"""Gemini's stream without ``alt=sse`` is a JSON array; cut, it is still one, with a proper end."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from endless_model import HELD, chunked, element, gateway_before
from hypothesis import given
from hypothesis import strategies as st
from ledger_file import query

from modelmeter.meter.hold_watch import TAIL_BYTES_MAX, HoldWatch
from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for
from modelmeter.providers.framing import Framing
from modelmeter.record import CallBound, Operation, PicoUsd

JSON = b"application/json; charset=UTF-8"
BOUND = CallBound(cost=PicoUsd(10**12), tokens=1010, output_tokens=10)
USED_UP = ResponseFacts(output_characters=10**9)
DIALECT = dialect_for("genai")
HEAD = AnswerHead(200, [(b"content-type", JSON)])
REQUEST = RequestFacts(
    operation=Operation.GENERATE_CONTENT,
    model="gemini-2.5-flash",
    streamed=True,
    output_tokens_max=10,
    upstream_body=b"{}",
)
TEXT = 'a ] or a } and a \\ or a " in it '
ELEMENTS = [element(TEXT), element("\N{GRINNING FACE}[{"), element("", finishReason="STOP")]
ARRAY = b"[" + b"\n,\r\n".join(ELEMENTS) + b"\n]\n"
ENDLESS = b"[" + b",\r\n".join([element(TEXT)] * 5_000)
"""Long before its end a reader of it has gone."""
PIECES = (1, 97, 7_000, 100_000)


@given(cuts=st.lists(st.integers(0, len(ARRAY)), max_size=12))
def test_a_watched_array_passes_whole_and_can_be_ended_behind_each_element(cuts: list[int]) -> None:
    places = sorted({0, len(ARRAY), *cuts})
    watch = HoldWatch(BOUND, Framing.ELEMENTS)
    final = DIALECT.final_event(REQUEST, HEAD, ResponseFacts())

    passed = b""
    for start, end in pairwise(places):
        passed += watch.pass_on(ARRAY[start:end])
        if passed and watch.is_used_up(USED_UP):
            answers = json.loads(passed + final)
            assert answers[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"
            assert answers[:-1] == json.loads(ARRAY)[: len(answers) - 1]

    assert passed + watch.rest() == ARRAY
    assert not watch.is_used_up(USED_UP)


def test_an_element_that_is_too_long_passes_in_pieces_and_the_next_can_be_ended_behind() -> None:
    long = b'[{"a":"' + b"x" * TAIL_BYTES_MAX
    watch = HoldWatch(BOUND, Framing.ELEMENTS)

    assert watch.pass_on(long) == long
    assert not watch.is_used_up(USED_UP)
    assert watch.pass_on(b'"},{"b"') == b'"}'
    assert watch.is_used_up(USED_UP)
    assert watch.pass_on(b":1}") == b',{"b":1}'


@pytest.mark.parametrize("body", [b'{"error":{"code":400}}', b"[1]", b"nonsense"])
def test_what_is_no_array_of_objects_passes_as_it_is(body: bytes) -> None:
    watch = HoldWatch(BOUND, Framing.ELEMENTS)

    assert watch.pass_on(body[:1]) + watch.pass_on(body[1:]) + watch.rest() == body
    assert not watch.is_used_up(USED_UP)


@pytest.fixture(name="url")
def gateway_before_endless_arrays(tmp_path: Path) -> Iterator[str]:
    models = {f"endless-{size}": chunked(JSON, ENDLESS, size) for size in PIECES}
    with gateway_before({**models, "modest": chunked(JSON, ARRAY, 50)}, tmp_path) as url:
        yield url


async def ask(url: str, model: str) -> tuple[int, bytes]:
    """Through the gateway, as a program without an SDK does."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent",
            json={
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "generationConfig": {"maxOutputTokens": 10},
                "user": model,
            },
            headers={**HELD, "x-goog-api-key": "k"},
        ) as answer,
    ):
        return answer.status, await answer.read()


@pytest.mark.parametrize("size", PIECES)
async def test_an_array_that_heeds_no_limit_is_cut_to_a_whole_one_and_recorded(
    url: str, tmp_path: Path, size: int
) -> None:
    status, body = await ask(url, f"endless-{size}")

    assert status == 200
    *answers, last = json.loads(body)
    assert last == {
        "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}],
        "modelVersion": "gemini-2.5-flash",
    }
    assert answers[0] == json.loads(element(TEXT))
    assert 160 < len(answers) * len(TEXT) < 5_000 * len(TEXT)
    note = "cut where it had used up what was held for it"
    entries = query(tmp_path / "ledger.db", "SELECT status, error_type, note FROM entry")
    assert entries == [("error", "budget_exceeded", note)]


async def test_an_array_within_its_hold_passes_byte_for_byte(url: str, tmp_path: Path) -> None:
    assert await ask(url, "modest") == (200, ARRAY)
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("success", None)
    ]
