"""The stream of figures: one question a second for all who ask the same, and its ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from web_under_test import INSERT, entry, make_ledger, web_mount

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.database import connect_writer
from modelmeter.web import live
from modelmeter.web.live import Live
from modelmeter.web.mount import WebMount


async def take(answers: AsyncIterator[bytes], count: int) -> list[bytes]:
    """The first few answers; then the viewer leaves."""
    taken: list[bytes] = []
    async with aclosing(answers) as stream:  # type: ignore[type-var] # it is a generator
        async for answer in stream:
            taken.append(answer)
            if len(taken) == count:
                break
    return taken


async def test_viewers_who_ask_the_same_share_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK_SECONDS", 0.0)
    asked = 0

    async def ask() -> bytes:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return b"%d" % asked

    channels = Live(viewers_max=10)
    seen = await asyncio.gather(*(take(channels.follow("same", ask), 3) for _ in range(10)))
    asked_by_all = asked
    await asyncio.sleep(0)
    await channels.close()

    numbers = [[int(answer) for answer in answers] for answers in seen]
    assert all(answers == sorted(set(answers)) for answers in numbers)
    # Each of the ten took three answers; without sharing that were thirty questions.
    assert asked_by_all <= max(max(answers) for answers in numbers) + 1 < 30
    assert channels.viewers == 0


@pytest.mark.parametrize(
    ("took", "pause"), [(0.0, 1.0), (0.01, 1.0), (0.06, 1.5), (0.3, 1.8), (1.0, 4.0)]
)
def test_what_takes_longer_is_asked_less_often(took: float, pause: float) -> None:
    assert live._pause_seconds(took) == pytest.approx(pause)


async def test_too_many_viewers_are_refused_until_one_leaves() -> None:
    async def ask() -> bytes:
        return b"x"

    channels = Live(viewers_max=1)
    first = channels.follow("a", ask)
    await anext(first)
    with pytest.raises(RefusedRequestError) as refused:
        channels.follow("a", ask)
    await first.aclose()  # type: ignore[attr-defined] # it is a generator
    after = await take(channels.follow("a", ask), 1)
    await channels.close()

    assert refused.value.http_status == 503
    assert after == [b"x"]


async def test_a_question_that_fails_for_now_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_TICK_SECONDS", 0.0)
    results: list[Exception | bytes] = [RefusedRequestError("busy", http_status=503), b"later"]

    async def ask() -> bytes:
        result = results.pop(0) if len(results) > 1 else results[0]
        if isinstance(result, Exception):
            raise result
        return result

    channels = Live(viewers_max=1)
    assert await take(channels.follow("a", ask), 1) == [b"later"]
    await channels.close()


async def test_a_question_that_breaks_ends_the_stream_and_the_next_one_begins_anew() -> None:
    async def broken() -> bytes:
        raise KeyError("broken")

    async def whole() -> bytes:
        return b"whole"

    channels = Live(viewers_max=2)
    stream = channels.follow("a", broken)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert await take(channels.follow("a", whole), 1) == [b"whole"]
    await channels.close()


def stream_scope() -> dict[str, object]:
    """A request for the stream, as a server hands it over."""
    path = "/api/v1/stream"
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }


async def first_event(mount: WebMount) -> Any:
    """The first event of a stream; then the viewer leaves."""
    bodies = asyncio.Queue[bytes]()
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            bodies.put_nowait(message["body"])

    serving = asyncio.create_task(mount(stream_scope(), receive, send))
    async with asyncio.timeout(20):
        text = (await bodies.get()).decode()
        gone.set()
        await serving
    assert text.startswith("event: summary\ndata: ")
    assert text.endswith("\n\n")
    return json.loads(text.partition("data: ")[2])


async def test_a_call_made_now_is_in_the_figures_of_the_next_second(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1)])
    writer = connect_writer(path)
    async with web_mount(path) as mount:
        before = await first_event(mount)
        writer.execute(INSERT, entry(2, seconds_ago=1))
        after = await first_event(mount)
    writer.close()

    assert (before["total"]["calls"], after["total"]["calls"]) == (1, 2)
    assert after["newest_seq"] == 2


async def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])
    shown, ended = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            shown.set()
            if not message.get("more_body", False):
                ended.set()

    async with web_mount(path) as mount, asyncio.timeout(20):
        serving = asyncio.create_task(mount(stream_scope(), receive, send))
        await shown.wait()
        await mount.end_streams()
        await serving

    assert ended.is_set()
