"""What becomes of the HTTP client that a wrapped client had."""

from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fresh_process import fresh_process
from ledger_file import query
from odd_upstream import OddUpstream, usual

from modelmeter import wrap

_FIXTURES = fresh_process

HELLO: Any = [{"role": "user", "content": "Hello."}]
ADDED = {"x-proxy-pass": "open"}


@pytest.fixture(name="ledger")
def ledger_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> Path:
    """Where the process enters its calls."""
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("MODELMETER_LEDGER", str(ledger))
    return ledger


async def test_what_it_adds_to_every_request_is_still_added(ledger: Path) -> None:
    """Headers for a proxy in between, say."""
    upstream = OddUpstream({"usual": usual})
    url = f"{upstream.url}/v1"
    with httpx2.Client(headers=ADDED) as http_client:
        client = openai.OpenAI(base_url=url, api_key="k", http_client=http_client)
        wrap(client, agent_id="a").chat.completions.create(model="gpt-4o-mini", messages=HELLO)
        heads = [upstream.heads["usual"]]
    async with httpx2.AsyncClient(headers=ADDED) as async_http_client:
        later = openai.AsyncOpenAI(base_url=url, api_key="k", http_client=async_http_client)
        wrapped = wrap(later, agent_id="a")
        await wrapped.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
        heads.append(upstream.heads["usual"])
    upstream.close()

    assert all(b"x-proxy-pass: open" in head.lower() for head in heads)
    assert query(ledger, "SELECT status FROM entry") == [("success",), ("success",)]
