"""
What openai-cost-calculator says of the cases on standard input; run by its own environment.

It reads whole answers of all providers, at a date, in a tier and a region.
"""

import importlib
import json
import sys
from datetime import datetime

PROVIDERS = {"google": "gemini"}
REGIONS = {"datazone": "data-zone"}
"""What it calls a deployment type."""


def main() -> None:
    """A line of answer for each line of input."""
    calculator = importlib.import_module("openai_cost_calculator")
    calculator.set_offline_mode(True)
    for line in sys.stdin:
        case = json.loads(line)
        provider = PROVIDERS.get(case["provider"], case["provider"])
        if case["provider"] == "google" and case.get("region"):
            provider = "vertex"
        try:
            cost = calculator.estimate_response_cost(
                case["response"],
                provider=provider,
                model=case.get("model_answered") or case["model"],
                service_tier=case.get("tier"),
                region=REGIONS.get(case.get("region"), case.get("region")),
                at=datetime.fromisoformat(case["when"]),
            )
            answer = {"usd": str(cost.total)}
        except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
            answer = {"why": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps({"id": case["id"], **answer}))


if __name__ == "__main__":
    main()
