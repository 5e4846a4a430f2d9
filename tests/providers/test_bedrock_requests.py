"""Bedrock's requests as its SDK sends them, and our errors as its SDK reads them."""

import json
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bedrock.dialect import BedrockDialect
from modelmeter.record import Operation

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0"
CONVERSE = "/model/amazon.nova-pro-v1%3A0/converse"
INVOKE = "/model/amazon.nova-pro-v1%3A0/invoke"


class Answer:
    """A body that botocore reads to its end."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


class Sender:
    """An SDK client whose requests are answered here with one of our errors."""

    def __init__(self, http_status: int = 400, code: str = "x", message: str = "no") -> None:
        self.paths: list[tuple[str, str, bytes]] = []
        self._answer = (http_status, code, message)
        self.sdk = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.sdk.meta.events.register("before-send.bedrock-runtime.*", self._send)

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent = b"" if request.body is None else request.body
        body = sent.encode() if isinstance(sent, str) else sent
        if not isinstance(body, bytes | bytearray):
            raise TypeError("the SDK sends a file")
        self.paths.append((str(request.method), urlsplit(request.url).path, bytes(body)))
        http_status, code, message = self._answer
        dialect = BedrockDialect()
        headers = HTTPHeaders()
        for name, value in dialect.error_headers(code, http_status):
            headers[name.decode()] = value.decode()
        error = dialect.error_body(message, code=code, http_status=http_status)
        return AWSResponse(request.url, http_status, headers, Answer(error))


def body_with(**fields: object) -> bytes:
    return json.dumps({"messages": [{"role": "user"}], **fields}).encode()


@pytest.mark.parametrize("model", ["amazon.nova-pro-v1:0", "us.amazon.nova-lite-v1:0", PROFILE])
@pytest.mark.parametrize(
    ("method", "asked", "operation", "streamed"),
    [
        ("converse", {"messages": []}, Operation.CONVERSE, False),
        ("converse_stream", {"messages": []}, Operation.CONVERSE, True),
        ("invoke_model", {"body": "{}"}, Operation.INVOKE_MODEL, False),
        (
            "invoke_model_with_response_stream",
            {"body": "{}"},
            Operation.INVOKE_MODEL,
            True,
        ),
    ],
)
def test_every_path_of_the_sdk_is_known(
    model: str, method: str, asked: Mapping[str, object], operation: Operation, streamed: bool
) -> None:
    sender = Sender()
    with pytest.raises(ClientError):
        getattr(sender.sdk, method)(modelId=model, **asked)
    ((http_method, path, body),) = sender.paths

    dialect = BedrockDialect()
    known = dialect.operation(http_method, path)
    facts = dialect.read_request(operation, path, body)

    assert known is operation
    assert (facts.model, facts.streamed) == (model, streamed)
    assert facts.upstream_body is body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CONVERSE),
        ("POST", "/model/m/count-tokens"),
        ("POST", "/model/m/converse/more"),
        ("POST", "/model/converse"),
        ("POST", "/model//converse"),
        ("POST", "/guardrail-checks/invoke"),
        ("POST", "/async-invoke"),
    ],
)
def test_other_paths_are_only_relayed(method: str, path: str) -> None:
    assert BedrockDialect().operation(method, path) is None


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (f"/model/{PROFILE}/converse", PROFILE),
        (f"/model/{quote(PROFILE, safe='')}/converse", PROFILE),
        ("/model/m/%63onverse", "m"),
        ("/%6dodel/m/converse", "m"),
        ("/model/m/converse/", "m"),
    ],
)
def test_another_spelling_of_a_path_is_metered_all_the_same(path: str, model: str) -> None:
    dialect = BedrockDialect()

    assert dialect.operation("POST", path) is Operation.CONVERSE
    assert dialect.read_request(Operation.CONVERSE, path, b"{}").model == model


@pytest.mark.parametrize("model", ["%00", "%0A", "a" * 2049, "%E2%80%A8", "%FF"])
def test_a_model_that_cannot_be_named_is_refused(model: str) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        BedrockDialect().read_request(Operation.CONVERSE, f"/model/{model}/converse", b"{}")

    assert refused.value.refusal_code == "invalid_model"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CONVERSE, {"inferenceConfig": {"maxTokens": 77}}),
        (INVOKE, {"inferenceConfig": {"max_new_tokens": 77}}),
        (INVOKE, {"inferenceConfig": {"maxTokens": 77}}),
        (INVOKE, {"max_tokens": 77}),
        (INVOKE, {"max_completion_tokens": 77}),
        (INVOKE, {"max_tokens_to_sample": 77}),
        (INVOKE, {"max_gen_len": 77}),
        (INVOKE, {"textGenerationConfig": {"maxTokenCount": 77}}),
    ],
)
def test_every_familys_output_limit_is_read(path: str, fields: Mapping[str, object]) -> None:
    operation = Operation.CONVERSE if path == CONVERSE else Operation.INVOKE_MODEL
    dialect = BedrockDialect()

    assert dialect.read_request(operation, path, body_with(**fields)).output_tokens_max == 77
    assert dialect.read_request(operation, path, body_with()).output_tokens_max is None


@pytest.mark.parametrize("limit", [0, -1, 2**31 + 1, 10**30, 1.5, "5", True, [], {}])
def test_an_impossible_output_limit_is_refused(limit: object) -> None:
    dialect = BedrockDialect()
    for fields in ({"inferenceConfig": {"maxTokens": limit}}, {"max_tokens": limit}):
        with pytest.raises(RefusedRequestError):
            dialect.read_request(Operation.INVOKE_MODEL, INVOKE, body_with(**fields))


@pytest.mark.parametrize("limit", [1, 2**31])
def test_the_smallest_and_largest_output_limit_are_taken(limit: int) -> None:
    body = body_with(max_tokens=limit)
    facts = BedrockDialect().read_request(Operation.INVOKE_MODEL, INVOKE, body)

    assert facts.output_tokens_max == limit


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"max_tokens": NaN}', b"[" * 200_000, b'{"a":' * 100_000]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        BedrockDialect().read_request(Operation.CONVERSE, CONVERSE, body)

    assert refused.value.http_status == 400


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b'{"inferenceConfig": 3}'])
def test_a_body_of_the_wrong_shape_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedRequestError):
        BedrockDialect().read_request(Operation.CONVERSE, CONVERSE, body)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        facts = BedrockDialect().read_request(Operation.INVOKE_MODEL, INVOKE, body)
    except RefusedRequestError:
        return
    assert facts.upstream_body == body


@pytest.mark.parametrize(
    ("http_status", "name"),
    [
        (400, "ValidationException"),
        (401, "UnrecognizedClientException"),
        (402, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (502, "InternalServerException"),
        (503, "ServiceUnavailableException"),
        (504, "ModelTimeoutException"),
    ],
)
def test_the_sdk_raises_the_exception_that_a_status_names(http_status: int, name: str) -> None:
    sender = Sender(http_status, "budget_exceeded", "the team's budget is used up")
    with pytest.raises(ClientError) as caught:
        sender.sdk.converse(modelId=PROFILE, messages=[])

    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["Error"]["Message"] == "the team's budget is used up"
    assert isinstance(caught.value, getattr(sender.sdk.exceptions, name, ClientError))
