"""``python -m bench.prices``: what each library says that calls cost, beside what is billed."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from bench.peers import PEERS, install, version
from bench.price_cases import Case, all_cases, whole_usage
from bench.price_speed import speed_lines
from bench.processes import BenchError
from modelmeter.pricing import PriceBook
from modelmeter.pricing.priced_line import LinePricer
from modelmeter.pricing.usage_line import UsageLine, facts_of, served_tier

__all__ = ["Answer", "main", "render", "verdict"]

RESULTS = Path(__file__).parent / "PRICES.md"
CALCULATOR = "openai-cost-calculator"
HUNDREDTH_PICO = Decimal("1e-14")
"""A float's own error is no mistake."""

INTRODUCTION = """\
# What calls cost, by each library

Written by `make bench-prices`: every case of [tests/pricing](../tests/pricing), each with its
provider's own page as its source, priced by modelmeter and by three libraries in one run.

- **right**: the bill to the last digit, or said to be unknown where nobody can know it.
- **wrong**: another figure, or a figure where none can be known.
- **none**: no figure where there is one.
- The others get the usage of a whole answer (streams are added up for them), the tier that served
  the call and the region, in the words each of them takes. They get the model that answered where
  the answer names one. A difference below 1e-14 USD, a float's own, counts as right.
- LiteLLM knows today's prices only; the others are asked for the price of the call's day.
- What a library says depends on its version's data; each is told below.
- modelmeter's tests rest on the same cases, so all of them being right is no surprise: the table
  shows what the others say of them.
"""


class Answer(NamedTuple):
    """What a library says of a case."""

    usd: Decimal | None
    why: str = ""


def _by_modelmeter(cases: Sequence[Case]) -> dict[str, Answer]:
    pricer = LinePricer(PriceBook({"azure": "azure"}), time.time_ns)
    answers = {}
    for case in cases:
        result = json.loads(pricer.price(json.dumps(case.line).encode()))
        answers[case.id] = Answer(_decimal(result["cost_usd"]), str(result["reason"] or ""))
    return answers


_FLAVORS = {
    "chat": "chat",
    "completions": "chat",
    "responses": "responses",
    "embeddings": "embeddings",
}
_CATALOGUE = {"bedrock": "aws"}


def _by_catalogue(cases: Sequence[Case]) -> dict[str, Answer]:
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    snapshot = DataSnapshot(providers=providers, from_auto_update=False)
    answers = {}
    for case in cases:
        told = _told(case)
        provider = _CATALOGUE.get(str(told["provider"]), str(told["provider"]))
        tier = _text(told["tier"])
        context = (
            {} if tier is None else dict.fromkeys(("service_tier", "processing", "speed"), tier)
        )
        try:
            api = str(told["api"]).removesuffix("_stream")
            usage = snapshot.extract_usage(
                told["response"],
                _extractor(told, provider),
                api_flavor=_FLAVORS.get(api, "default"),
            ).usage
            moment = datetime.fromisoformat(str(told["when"]))
            model = str(told["model_answered"] or told["model"])
            found = snapshot.calc(
                usage, model, provider, None,
                moment if moment.tzinfo else moment.replace(tzinfo=UTC), price_context=context,
            )  # fmt: skip
            answers[case.id] = Answer(found.total_price)
        except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
            answers[case.id] = Answer(None, f"{type(error).__name__}: {error}"[:200])
    return answers


def _extractor(told: Mapping[str, object], provider: str) -> str:
    """Whose reader of usages fits: Claude's answers have Anthropic's shape wherever it is sold."""
    usage = told["usage"]
    anthropic = isinstance(usage, dict) and "input_tokens" in usage and provider != "openai"
    return "anthropic" if anthropic and provider != "azure" else provider


def _by_program(name: str, script: str, cases: Sequence[Case]) -> dict[str, Answer]:
    """The answers of a script that runs in a peer's own environment."""
    lines = "".join(json.dumps({"id": case.id, **_told(case)}) + "\n" for case in cases)
    done = subprocess.run(
        [str(PEERS / name / "bin/python"), str(Path(__file__).parent / script)],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": "/usr/bin:/bin"},
    )
    if done.returncode != 0:
        raise BenchError(f"{name} did not answer: {done.stderr[-1000:]}")
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {one["id"]: Answer(_decimal(one.get("usd")), one.get("why", "")) for one in told}


def _told(case: Case) -> dict[str, object]:
    """What a library that reads whole answers is told of a case."""
    line = case.line
    usage = whole_usage(line)
    whole = line.get("raw_response")
    response: dict[str, object] = dict(whole) if isinstance(whole, dict) else {}
    model = response.get("model") or response.get("modelVersion") or line["model"]
    if line["provider"] == "google" and isinstance(usage, dict) and "input_tokens" not in usage:
        response |= {"usageMetadata": usage, "modelVersion": model}
    else:
        response |= {"usage": usage, "model": model}
    read = UsageLine(
        provider=str(line["provider"]),
        model=str(line["model"]),
        api=str(line["api"]),
        tier=_text(line.get("tier")),
        requested_tier=_text(line.get("requested_tier")),
    )
    tier = served_tier(read, facts_of(_raw(read, line)))
    return {
        "provider": line["provider"],
        "api": line["api"],
        "model": line["model"],
        "model_answered": response.get("model") if isinstance(whole, dict) else None,
        "when": line["when"],
        "tier": None if tier in (None, "standard", "default") else tier,
        "region": line.get("region"),
        "usage": usage,
        "response": response,
    }


def _raw(read: UsageLine, line: Mapping[str, object]) -> UsageLine:
    import msgspec

    raw = {
        name: msgspec.Raw(json.dumps(line.get(name)).encode())
        for name in ("raw_usage", "raw_response")
    }
    return msgspec.structs.replace(read, **raw)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _decimal(text: object) -> Decimal | None:
    try:
        return None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None


def verdict(case: Case, answer: Answer) -> str:
    """``right``, ``wrong``, or ``none`` for no figure where there is one."""
    if case.usd is None:
        return "right" if answer.usd is None else "wrong"
    right = Decimal(case.usd)
    if answer.usd is None:
        # Nothing was used: to say nothing of it is right as well.
        return "right" if right == 0 else "none"
    return "right" if abs(answer.usd - right) < HUNDREDTH_PICO else "wrong"


def render(cases: Sequence[Case], said: Mapping[str, Mapping[str, Answer]]) -> str:
    """The sums, and each case that some library has not right."""
    verdicts = {
        name: {case.id: verdict(case, answers[case.id]) for case in cases}
        for name, answers in said.items()
    }
    lines = ["## Sums", "", "| library | right | wrong | none |", "| --- | ---: | ---: | ---: |"]
    for name, found in verdicts.items():
        counts = Counter(found.values())
        lines.append(f"| {name} | {counts['right']} | {counts['wrong']} | {counts['none']} |")
    heads = " | ".join(said)
    lines += ["", f"## Cases, {len(cases)} in all", "", f"| case | USD billed | {heads} |"]
    lines.append(f"| --- | ---: |{' ---: |' * len(said)}")
    for case in cases:
        cells = []
        for name, answers in said.items():
            usd = answers[case.id].usd
            shown = "–" if usd is None else f"{usd.normalize():f}"[:14]
            cells.append(shown if verdicts[name][case.id] == "right" else f"**{shown}**")
        lines.append(f"| {case.id} | {case.usd or 'unknown'} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Install, ask, print, write the results."""
    install("litellm")
    install(CALCULATOR)
    cases = all_cases()
    said = {
        f"modelmeter {version('modelmeter')}": _by_modelmeter(cases),
        f"genai-prices {version('genai-prices')}": _by_catalogue(cases),
        f"litellm {version('litellm')}": _by_program("litellm", "prices_of_litellm.py", cases),
        f"{CALCULATOR} {version(CALCULATOR)}": _by_program(
            CALCULATOR, "prices_of_calculator.py", cases
        ),
    }
    text = f"{render(cases, said)}\n## Speed\n\n```\n{speed_lines()}\n```\n"
    print(text)
    RESULTS.write_text(f"{INTRODUCTION}\n{text}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as fault:
        sys.exit(f"bench: {fault}")
