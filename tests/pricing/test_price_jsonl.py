"""``modelmeter price --jsonl``: a line a usage, exact, and honest about what is not known."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.cli.price_jsonl import LINE_BYTES_MAX
from modelmeter.errors import SettingsError

CASES = Path(__file__).with_name("cost_cases.jsonl")
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def priced(*lines: object) -> list[dict[str, object]]:
    """The command's results for lines on its standard input."""
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    result = CliRunner().invoke(app, ["price", "--jsonl", "-"], input=text)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def call(**fields: object) -> dict[str, object]:
    """A line; None leaves a field out."""
    line: dict[str, object] = {
        "id": 1,
        "provider": "openai",
        "api": "chat",
        "model": "gpt-4o",
        "when": "2026-05-01",
        "raw_usage": USAGE,
    }
    line.update(fields)
    return {name: value for name, value in line.items() if value is not None}


def test_all_known_cases_come_out_with_their_status_and_lines_that_add_up() -> None:
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    command = [sys.executable, "-m", "modelmeter", "price", "--jsonl", str(CASES)]

    done = subprocess.run(command, capture_output=True, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]

    assert [result["id"] for result in results] == [case["id"] for case in cases]
    for case, result in zip(cases, results, strict=True):
        told = result["cost_usd"]
        assert (case["id"], result["status"]) == (case["id"], case["expected_status"])
        if case["expected_usd"] is None:
            assert told is None
            continue
        assert (
            Decimal(told)
            == Decimal(case["expected_usd"])
            == sum(Decimal(line["usd"]) for line in result["lines"])
        )
        for line in result["lines"]:
            assert Decimal(line["usd"]) * 10**6 == line["tokens"] * Decimal(line["usd_per_million"])


@pytest.mark.parametrize(
    ("fields", "status", "usd"),
    [
        ({}, "priced", "0.0035"),
        ({"when": "2026-05-01T10:00:00+02:00"}, "priced", "0.0035"),
        ({"when": 1_777_600_000}, "priced", "0.0035"),
        ({"model": "nobody-knows-me"}, "unknown", None),
        ({"provider": "box"}, "unknown", None),
        ({"raw_usage": None}, "unknown", None),
        ({"raw_usage": None, "http_status": 500}, "zero", "0"),
        ({"raw_usage": {"prompt_tokens": 0, "completion_tokens": 0}}, "zero", "0"),
        ({"raw_usage": {"prompt_tokens": -1, "completion_tokens": 0}}, "unknown", None),
        ({"tier": "flx"}, "partial", "0.0035"),
        ({"tier": "batch", "raw_response": {"service_tier": "default"}}, "priced", "0.00175"),
        ({"tier": "flex", "raw_response": {"service_tier": "default"}}, "priced", "0.0035"),
        ({"model": "deepseek/deepseek-r1:free", "provider": "openrouter"}, "free", "0"),
        ({"model": "text-embedding-3-large"}, "partial", "0.00013"),
    ],
)
def test_a_status_says_how_much_is_known(
    fields: dict[str, object], status: str, usd: str | None
) -> None:
    (result,) = priced(call(**fields))

    assert (result["status"], result["cost_usd"]) == (status, usd)
    assert result["reason"] or status in ("priced", "free", "zero")


@pytest.mark.parametrize("provider", ["google", "genai", "gemini", "Google"])
def test_google_is_genai(provider: str) -> None:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}

    (result,) = priced(
        call(provider=provider, api="generateContent", model="gemini-2.5-flash", raw_usage=usage)
    )

    assert result["cost_usd"] == "0.00055"


def test_a_whole_answer_needs_no_usage_beside_it() -> None:
    body = {"id": "x", "model": "gpt-4o-2024-05-13", "usage": USAGE, "service_tier": "default"}

    (result,) = priced(call(raw_usage=None, raw_response=body))

    assert (result["cost_usd"], result["matched_model"]) == ("0.0065", "gpt-4o-2024-05-13")


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        (
            {
                "provider": "bedrock",
                "api": "converse_stream",
                "model": "amazon.nova-micro-v1:0",
                "raw_usage": [
                    {"messageStart": {"role": "assistant"}},
                    {"metadata": {"usage": {"inputTokens": 1000, "outputTokens": 100}}},
                ],
            },
            "0.000049",
        ),
        (
            {
                "provider": "bedrock",
                "api": "invoke_model_stream",
                "model": "meta.llama3-3-70b-instruct-v1:0",
                "raw_usage": [
                    {"generation": "a", "prompt_token_count": 1000},
                    {
                        "generation": "",
                        "amazon-bedrock-invocationMetrics": {
                            "inputTokenCount": 1000,
                            "outputTokenCount": 100,
                        },
                    },
                ],
            },
            "0.000792",
        ),
        (
            {
                "provider": "bedrock",
                "api": "invoke_model_stream",
                "model": "anthropic.claude-3-haiku-20240307-v1:0",
                "raw_usage": [
                    {
                        "type": "message_start",
                        "message": {"usage": {"input_tokens": 1000, "output_tokens": 1}},
                    },
                    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 500}},
                    {"type": "message_stop"},
                ],
            },
            "0.000875",
        ),
        (
            {
                "provider": "bedrock",
                "api": "invoke_model",
                "model": "amazon.titan-embed-text-v2:0",
                "raw_usage": {"inputTextTokenCount": 10000},
            },
            "0.0002",
        ),
        (
            {
                "raw_usage": [
                    {"choices": [{"delta": {"content": "x"}}], "usage": None},
                    {"choices": [], "usage": USAGE},
                ]
            },
            "0.0035",
        ),
    ],
)
def test_events_of_a_stream_count_once(fields: dict[str, object], usd: str) -> None:
    (result,) = priced(call(**fields))

    assert (result["status"], result["cost_usd"]) == ("priced", usd)


def test_a_line_that_is_no_usage_is_told_in_its_place() -> None:
    results = priced(call(), "{", "7", '{"provider": "openai"}', call(raw_usage=7), call(when="?"))

    assert [result["status"] for result in results] == ["priced", *["unknown"] * 5]
    assert all(result["reason"] for result in results[1:])


def test_a_line_that_is_no_usage_keeps_its_id() -> None:
    results = priced(
        {"id": "no-model", "provider": "openai"},
        call(id=["a", 7], when="?"),
        call(id="usage", raw_usage=7),
        call(id="fees", fees={"a": -1}),
        {"id": "no-provider"},
        '{"id": "cut", ',
        "7",
    )

    assert [result["id"] for result in results] == [
        "no-model", ["a", 7], "usage", "fees", "no-provider", None, None,
    ]  # fmt: skip
    assert {result["status"] for result in results} == {"unknown"}


def test_a_blank_line_has_no_result_and_every_other_has_one() -> None:
    results = priced(call(id=1), "", "  \t ", call(id=2), "\r", "null", "")

    assert [result["id"] for result in results] == [1, 2, None]


def test_a_line_without_an_end_is_told_and_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    with file.open("wb") as out:
        out.write(b'{"model": "' + b"x" * (2 * LINE_BYTES_MAX) + b'"}\n')
        out.write(json.dumps(call()).encode() + b"\n")

    result = CliRunner().invoke(app, ["price", "--jsonl", str(file)])

    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == [
        "unknown",
        "priced",
    ]


@pytest.mark.parametrize(
    "arguments", [(), ("gpt-4o", "--jsonl", "x"), ("--jsonl", "/nowhere/at/all.jsonl")]
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["price", "--at", "2026-05-01", *arguments])

    assert isinstance(result.exception, SettingsError)


@pytest.mark.parametrize(
    ("rate", "calls"), [("2000/day", 60_000), ("7/month", 7), ("1/hour", 720), ("1/minute", 43_200)]
)
def test_a_month_is_estimated_from_a_rate(rate: str, calls: int) -> None:
    arguments = ["gpt-4o", "--input", "1000", "--output", "100", "--per-month", rate, "--json"]

    row = json.loads(CliRunner().invoke(app, ["price", *arguments]).stdout)

    assert row["calls_per_month"] == calls
    assert Decimal(row["month_usd"]) == calls * Decimal(row["cost_usd"])


@pytest.mark.parametrize("rate", ["day", "x/day", "3/fortnight", "-3/day", "3.5/day"])
def test_a_rate_that_is_none_is_told(rate: str) -> None:
    result = CliRunner().invoke(app, ["price", "gpt-4o", "--per-month", rate])

    assert isinstance(result.exception, SettingsError)


def test_a_fee_that_the_caller_knows_makes_a_partial_cost_whole() -> None:
    ran = {"output": [{"type": "code_interpreter_call"}, {"type": "web_search_call"}]}
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    line = call(api="responses", raw_usage=usage, raw_response=ran)
    fees = {"code_execution": "0.03", "cache_storage": 0.45}

    without, told = priced(line, {**line, "fees": fees})

    assert (without["status"], without["cost_usd"]) == ("partial", "0.0135")
    assert (told["status"], told["cost_usd"]) == ("priced", "0.4935")
    assert told["lines"][-2:] == [  # type: ignore[index]  # JSON
        {"kind": "code_execution", "tokens": 1, "usd_per_million": "30000", "usd": "0.03"},
        {"kind": "cache_storage", "tokens": 1, "usd_per_million": "450000", "usd": "0.45"},
    ]


def test_a_fee_stands_in_place_of_the_catalogue_s_and_gives_no_price_to_anything_else() -> None:
    ran = {"output": [{"type": "web_search_call"}]}
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    line = call(api="responses", raw_usage=usage, raw_response=ran, fees={"web_search": "0.001"})

    cheap, unknown, free, nothing = priced(
        line,
        {**line, "model": "gpt-99"},
        call(provider="openrouter", model="deepseek/deepseek-r1:free", fees={"container": "0.5"}),
        call(raw_usage={**USAGE, "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
             fees={"container": "0"}),
    )  # fmt: skip

    assert (cheap["status"], cheap["cost_usd"]) == ("priced", "0.0045")
    assert (unknown["status"], unknown["cost_usd"]) == ("unknown", None)
    assert (free["status"], free["cost_usd"]) == ("priced", "0.5")
    assert (nothing["status"], nothing["cost_usd"]) == ("zero", "0")


@pytest.mark.parametrize(
    "fees", [{"a": "-1"}, {"a": "NaN"}, {"a": 2e6}, {"A fee": "1"}, {"a": None}, ["a"]]
)
def test_a_fee_that_is_none_is_told(fees: object) -> None:
    (result,) = priced(call(fees=fees))

    assert result["status"] == "unknown"
    assert str(result["reason"]).startswith("the line is no usage")
