"""A stream that was compressed, though nobody asked for that, is unpacked where it may be cut."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import openai
import pytest
from endless_model import EVENT, HELD, WATCHED, chunked, element, gateway_before
from ledger_file import query

EVENTS = b"text/event-stream"
GZIP = b"content-encoding: gzip"
ENDLESS = EVENT * 40_000
WORDS = 5
MODEST = EVENT * WORDS + b"data: [DONE]\n\n"
ARRAY = b"[" + b",\r\n".join([element("some words ")] * 5_000)
PIECES = (1, 300, 7_000)


class Gzip:
    """One stream, of which each piece can be read once it has come."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)

    def __call__(self, piece: bytes) -> bytes:
        return self._packer.compress(piece) + self._packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.fixture(name="url")
def gateway_before_models_that_compress(tmp_path: Path) -> Iterator[str]:
    models = {f"gzip-{size}": chunked(EVENTS, ENDLESS, size, GZIP, pack=Gzip()) for size in PIECES}
    models |= {
        "modest": chunked(EVENTS, MODEST, 50, GZIP, pack=Gzip()),
        "array": chunked(b"application/json", ARRAY, 500, GZIP, pack=Gzip()),
        "own": chunked(EVENTS, MODEST, 50, b"content-encoding: own"),
        "nonsense": chunked(EVENTS, MODEST, 50, GZIP),
    }
    with gateway_before(models, tmp_path) as url:
        yield url


def chunks_of(url: str, model: str) -> list[openai.types.chat.ChatCompletionChunk]:
    with openai.OpenAI(
        base_url=f"{url}/openai/v1", api_key="sk-test", default_headers=HELD, max_retries=0
    ) as client:
        return list(
            client.chat.completions.create(
                model="gpt-4o-mini",
                max_tokens=10,
                user=model,
                stream=True,
                messages=[{"role": "user", "content": "hi"}],
            )
        )


async def ask(
    url: str, path: str, model: str, team: dict[str, str]
) -> tuple[int, str | None, bytes]:
    """Status, encoding and bytes, as they come to the caller."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(
            f"{url}{path}",
            json={
                "model": "gpt-4o-mini",
                "max_tokens": 10,
                "stream": True,
                "messages": [{"role": "user", "content": "hi"}],
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "generationConfig": {"maxOutputTokens": 10},
                "user": model,
            },
            headers={**team, "authorization": "Bearer sk-test"},
        ) as answer,
    ):
        return answer.status, answer.headers.get("content-encoding"), await answer.read()


CHAT = "/openai/v1/chat/completions"


@pytest.mark.parametrize("size", PIECES)
def test_a_compressed_stream_that_heeds_no_limit_is_cut_with_a_proper_end(
    url: str, tmp_path: Path, size: int
) -> None:
    chunks = chunks_of(url, f"gzip-{size}")

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert 160 < len(text) < len(ENDLESS) // len(EVENT) * len("word ")
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("error", "budget_exceeded")
    ]


async def test_a_compressed_array_is_cut_to_a_whole_one(url: str, tmp_path: Path) -> None:
    path = "/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent"

    status, encoding, answer = await ask(url, path, "array", HELD)

    assert (status, encoding) == (200, None)
    assert json.loads(answer)[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("error", "budget_exceeded")
    ]


@pytest.mark.parametrize(("team", "encoding"), [(HELD, None), (WATCHED, "gzip")])
async def test_a_compressed_stream_within_its_hold_is_whole(
    url: str, tmp_path: Path, team: dict[str, str], encoding: str | None
) -> None:
    """Where nothing stops the call it passes as it came."""
    status, told, body = await ask(url, CHAT, "modest", team)

    assert (status, told) == (200, encoding)
    assert (body if told is None else zlib.decompressobj(31).decompress(body)) == MODEST
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("success", None)
    ]


async def test_an_encoding_that_nobody_here_reads_passes_as_it_came(
    url: str, tmp_path: Path
) -> None:
    """Such a stream cannot be cut, and its entry says why it is an estimate."""
    assert await ask(url, CHAT, "own", HELD) == (200, "own", MODEST)
    assert query(tmp_path / "ledger.db", "SELECT status, note FROM entry") == [
        ("success", "content-encoding 'own' cannot be read")
    ]


async def test_what_cannot_be_unpacked_is_an_error_of_the_gateway(url: str, tmp_path: Path) -> None:
    status, _, body = await ask(url, CHAT, "nonsense", HELD)

    assert status == 502
    assert b"cannot be passed on" in body
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("error", "bad_response")
    ]
