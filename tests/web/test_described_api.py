"""The API against its own description: whatever is asked, it answers as it says it does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from web_under_test import entry, make_ledger, web_mount

from modelmeter.web.mount import WebMount

EXAMPLES_MAX = 20
TOO_LARGE = 413


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The description of an API over a few calls; without the stream, which has no end."""
    path: Path = tmp_path_factory.mktemp("described") / "ledger.db"
    make_ledger(
        path,
        [
            entry(number, team=team, status=status, seconds_ago=number * 977)
            for number, (team, status) in enumerate(
                [("a", "success"), ("b", "error"), ("a", "cancelled"), ("=b", "blocked")] * 5
            )
        ],
        rolled_up=11,
    )
    opening = web_mount(path)
    mount = asyncio.run(opening.__aenter__())
    schema = schemathesis.openapi.from_asgi("/openapi.json", at_localhost(mount))
    yield schema.exclude(path="/api/v1/stream")
    asyncio.run(opening.__aexit__(None, None, None))


def at_localhost(mount: WebMount) -> Any:
    """The mount, asked by the only name that it answers to without keys."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        headers = [header for header in scope["headers"] if header[0] != b"host"]
        await mount({**scope, "headers": [*headers, (b"host", b"localhost")]}, receive, send)

    return asked


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(described: Any, mode: GenerationMode) -> None:
    asked = []
    for operation in (found.ok() for found in described.get_all_operations()):
        if mode is GenerationMode.NEGATIVE and not takes_more_than_a_path(operation):
            continue
        asked.append(operation.label)

        @given(case=operation.as_strategy(generation_mode=mode))
        # The same questions in each run: what the checker takes for wrong can be right on the wire
        # (an empty list is sent as an empty text), and must not come and go.
        @settings(
            max_examples=EXAMPLES_MAX,
            derandomize=True,
            database=None,
            suppress_health_check=[*HealthCheck],
        )
        def check(case: Any) -> None:
            # A time, a zone and a cursor are texts to the description, and not every text is one.
            answer = case.call()
            unasked = [positive_data_acceptance]
            if answer.status_code == TOO_LARGE:
                # A refusal as well, though the checker's list of refusals lacks it.
                unasked.append(negative_data_rejection)
            case.validate_response(answer, excluded_checks=unasked)

        check()

    assert len(asked) >= 8


def takes_more_than_a_path(operation: Any) -> bool:
    """Something in it can be wrong by the description."""
    said = operation.definition.raw
    return "requestBody" in said or any(one["in"] == "query" for one in said.get("parameters", []))
