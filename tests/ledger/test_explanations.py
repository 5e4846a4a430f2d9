"""``modelmeter explain``: what was asked for, what was asked instead, and who answered."""

import json
from pathlib import Path

import msgspec
from ledger_cases import FixedClock, lost_as_unknown, make_call, make_intent
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.ledger import Ledger, LedgerWriter


async def explained(folder: Path, model_requested: str | None) -> tuple[str, dict[str, object]]:
    """What the command says of a call, to people and to programs."""
    path = folder / "ledger.db"
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    intent = msgspec.structs.replace(
        make_intent(model="gpt-4o-mini"), model_requested=model_requested
    )
    await Ledger(writer, wait_seconds=30).record(make_call(intent))
    writer.close()
    words = ["explain", intent.id, "--ledger", str(path)]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    found = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout
    return text, json.loads(found)


async def test_a_downgraded_call_says_what_its_caller_had_asked_for(tmp_path: Path) -> None:
    text, found = await explained(tmp_path, "gpt-4o")

    assert "openai gpt-4o-mini, asked instead of gpt-4o, " in text
    assert (found["model"], found["model_requested"]) == ("gpt-4o-mini", "gpt-4o")


async def test_of_any_other_call_nothing_is_said_to_be_asked_instead(tmp_path: Path) -> None:
    text, found = await explained(tmp_path, None)

    assert "openai gpt-4o-mini, 2026-" in text
    assert found["model_requested"] is None
