"""AWS's own SDK runs unmodified against the simulator."""

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from simulator_client import Place, place_fixture, run_simulator

from modelmeter.simulator.settings import SimulatorSettings

_FIXTURES = place_fixture

CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0"
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "find_order",
                "inputSchema": {
                    "json": {"type": "object", "properties": {"order_id": {"type": "string"}}}
                },
            }
        }
    ]
}


def bedrock(url: str, key: str = "AKIATEST", secret: str = "secret") -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{url}/bedrock",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def sdk(simulator: Place) -> Any:
    return bedrock(simulator.url)


def said(text: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": [{"text": text}]}]


def streamed_text(events: list[dict[str, Any]]) -> str:
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    return "".join(delta["text"] for delta in deltas)


def chunks_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


@pytest.mark.parametrize("model", [CLAUDE, NOVA, ARN])
def test_bedrock_converse_answers_with_usage(sdk: Any, model: str) -> None:
    answer = sdk.converse(
        modelId=model,
        messages=said("[[simulate output=40 input=900 cached=300 cache_write=50]]"),
    )

    assert answer["output"]["message"]["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["inputTokens"] == 900
    assert answer["usage"]["outputTokens"] == 40
    assert answer["usage"]["cacheReadInputTokens"] == 300
    assert answer["usage"]["cacheWriteInputTokens"] == 50
    assert answer["usage"]["cacheDetails"] == [{"ttl": "5m", "inputTokens": 50}]
    assert answer["ResponseMetadata"]["RequestId"]


def test_bedrock_converse_stream_ends_with_metadata(sdk: Any) -> None:
    answer = sdk.converse_stream(modelId=NOVA, messages=said("[[simulate output=20]]"))
    events = list(answer["stream"])

    assert next(iter(events[0])) == "messageStart"
    assert next(iter(events[-2])) == "messageStop"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 20
    assert streamed_text(events)


@pytest.mark.parametrize("streamed", [False, True])
def test_bedrock_converse_calls_a_tool(sdk: Any, streamed: bool) -> None:
    asked = {"modelId": NOVA, "messages": said("Call find_order."), "toolConfig": TOOLS}
    if not streamed:
        answer = sdk.converse(**asked)
        assert answer["stopReason"] == "tool_use"
        call = answer["output"]["message"]["content"][0]["toolUse"]
        assert call["name"] == "find_order"
        assert set(call["input"]) == {"order_id"}
        return
    events = list(sdk.converse_stream(**asked)["stream"])

    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert starts[0]["start"]["toolUse"]["name"] == "find_order"
    parts = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in events
        if "contentBlockDelta" in event
    ]
    assert set(json.loads("".join(parts))) == {"order_id"}


def test_bedrock_invoke_claude_answers_as_anthropic_does(sdk: Any) -> None:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 300,
        "messages": [{"role": "user", "content": "[[simulate output=33 input=44]]"}],
    }
    answer = sdk.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    message = json.loads(answer["body"].read())
    headers = answer["ResponseMetadata"]["HTTPHeaders"]

    assert message["type"] == "message"
    assert message["model"] == "claude-3-5-sonnet-20240620"
    assert message["usage"]["output_tokens"] == 33
    assert headers["x-amzn-bedrock-input-token-count"] == "44"
    assert headers["x-amzn-bedrock-output-token-count"] == "33"

    events = chunks_of(sdk.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body)))
    assert events[0]["message"]["usage"]["input_tokens"] == 44
    assert events[-2]["usage"]["output_tokens"] == 33
    assert events[-1]["type"] == "message_stop"
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 33


def test_bedrock_invoke_nova_answers_in_its_own_format(sdk: Any) -> None:
    body = json.dumps({"messages": said("[[simulate output=21]]"), "inferenceConfig": {}})
    whole = json.loads(sdk.invoke_model(modelId=NOVA, body=body)["body"].read())
    events = chunks_of(sdk.invoke_model_with_response_stream(modelId=NOVA, body=body))

    assert whole["usage"]["outputTokens"] == 21
    assert streamed_text(events)
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 21
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 21


def test_bedrock_invoke_llama_answers_in_its_own_format(sdk: Any) -> None:
    body = json.dumps({"prompt": "Say. [[simulate output=10 input=7]]", "max_gen_len": 50})
    whole = json.loads(sdk.invoke_model(modelId=LLAMA, body=body)["body"].read())
    events = chunks_of(sdk.invoke_model_with_response_stream(modelId=LLAMA, body=body))

    assert (whole["prompt_token_count"], whole["generation_token_count"]) == (7, 10)
    assert [event["prompt_token_count"] for event in events] == [7, None, None, None, None]
    assert events[-1]["generation_token_count"] == 10
    assert "".join(event["generation"] for event in events) == whole["generation"]


def test_bedrock_invoke_titan_embeds(sdk: Any) -> None:
    body = json.dumps({"inputText": "x" * 40, "dimensions": 256})
    answer = sdk.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)

    payload = json.loads(answer["body"].read())
    assert len(payload["embedding"]) == 256
    assert payload["inputTextTokenCount"] == 10


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("status=401", "UnrecognizedClientException"),
        ("status=403", "AccessDeniedException"),
        ("status=404", "ResourceNotFoundException"),
        ("status=400", "ValidationException"),
        ("error=context_length", "ValidationException"),
        ("status=429", "ThrottlingException"),
        ("status=500", "InternalServerException"),
        ("error=overloaded", "ServiceUnavailableException"),
        ("status=408", "ModelTimeoutException"),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_bedrock_errors_are_the_sdks_own(
    sdk: Any, directive: str, code: str, operation: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sdk, operation)(modelId=NOVA, messages=said(f"[[simulate {directive}]]"))

    assert caught.value.response["Error"]["Code"] == code
    assert isinstance(caught.value, getattr(sdk.exceptions, code, ClientError))


def test_bedrock_exception_in_a_stream_is_raised(sdk: Any) -> None:
    answer = sdk.converse_stream(
        modelId=NOVA, messages=said("[[simulate status=429 error_after_chunks=3]]")
    )

    with pytest.raises(EventStreamError, match="throttlingException"):
        list(answer["stream"])


def test_bedrock_filtered_prompt_is_an_answer_without_output(sdk: Any) -> None:
    answer = sdk.converse(modelId=NOVA, messages=said("[[simulate error=content_filter]]"))

    assert answer["stopReason"] == "content_filtered"
    assert answer["usage"]["outputTokens"] == 0


def test_bedrock_signature_is_checked_where_the_secret_is_known() -> None:
    settings = SimulatorSettings(aws_secrets={"AKIATEST": "right/secret"})
    with run_simulator(settings) as server:
        for model in (NOVA, ARN):
            assert bedrock(server.url, secret="right/secret").converse(
                modelId=model, messages=said("Hello")
            )
        with pytest.raises(ClientError, match="security token"):
            bedrock(server.url, secret="wrong").converse(modelId=NOVA, messages=said("Hello"))
