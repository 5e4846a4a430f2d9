"""
What LiteLLM says of the cases on standard input; run by the Python of its own environment.

Its own transformations turn a provider's usage into its usage, and its own calculator prices that.
It has no price history, so that only the model, the usage, the tier and the region are told.
"""

import importlib
import json
import sys
from decimal import Decimal

PROVIDERS = {"google": "vertex_ai", "bedrock": "bedrock", "azure": "azure"}
GEMINI = "gemini"


def usage_of(litellm: object, case: dict[str, object]) -> object:
    """The usage by LiteLLM's own transformation for the answer's format."""
    usage, api = case["usage"], str(case["api"]).removesuffix("_stream")
    if not isinstance(usage, dict):
        raise ValueError("no usage")
    if api == "messages" or (case["provider"] == "bedrock" and "input_tokens" in usage):
        module = importlib.import_module("litellm.llms.anthropic.chat.transformation")
        return module.AnthropicConfig().calculate_usage(usage, None)
    if case["provider"] == "bedrock" and "inputTokens" in usage:
        module = importlib.import_module("litellm.llms.bedrock.chat.converse_transformation")
        return module.AmazonConverseConfig().transform_usage(usage)
    if "promptTokenCount" in usage:
        module = importlib.import_module(
            "litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini"
        )
        return module.VertexGeminiConfig.calculate_usage({"usageMetadata": usage})
    if "input_tokens" in usage:
        module = importlib.import_module("litellm.responses.utils")
        logging = module.ResponseAPILoggingUtils
        return logging.transform_response_api_usage_to_chat_usage(usage)
    return getattr(litellm, "Usage")(**usage)  # noqa: B009 - a module loaded by name


def cost_of(litellm: object, case: dict[str, object]) -> Decimal:
    """USD by LiteLLM's own calculator."""
    provider = PROVIDERS.get(str(case["provider"]), str(case["provider"]))
    model = str(case["model"]).rpartition("/")[2]
    if case["provider"] == "google" and model.startswith((GEMINI, "text-")):
        provider = "vertex_ai" if case.get("region") else "gemini"
    parts = getattr(litellm, "cost_per_token")(  # noqa: B009 - a module loaded by name
        model=str(case.get("model_answered") or model),
        custom_llm_provider=provider,
        usage_object=usage_of(litellm, case),
        service_tier=case.get("tier"),
        region_name=case.get("region"),
        vertex_location=case.get("region") if case["provider"] == "google" else None,
        call_type="embedding" if case["api"] in ("embeddings", "embedContent") else "completion",
    )
    return sum((Decimal(repr(part)) for part in parts), Decimal(0))


def main() -> None:
    """A line of answer for each line of input."""
    litellm = importlib.import_module("litellm")
    for line in sys.stdin:
        case = json.loads(line)
        try:
            answer = {"usd": f"{cost_of(litellm, case):f}"}
        except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
            answer = {"why": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps({"id": case["id"], **answer}))


if __name__ == "__main__":
    main()
