"""What only the headers of an invoked model's answer tell, and model ids as long as AWS allows."""

import json

import pytest
from bedrock_cases import EVENT_STREAM, STREAMS, WHOLE, chunk
from hypothesis import given
from hypothesis import strategies as st
from observing import observed

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bedrock.dialect import BedrockDialect
from modelmeter.record import ErrorType, Operation, TokenCounts

PREFIX = b"x-amzn-bedrock-"
INPUT, OUTPUT = PREFIX + b"input-token-count", PREFIX + b"output-token-count"
READ, WRITTEN = PREFIX + b"cache-read-input-token-count", PREFIX + b"cache-write-input-token-count"
TIER = (PREFIX + b"service-tier", b"flex")
COUNTED = [(INPUT, b"30"), (OUTPUT, b"12"), (READ, b"60"), (WRITTEN, b"40")]
TOKENS = TokenCounts(input=30, output=12, cache_read=60, cache_write_5m=40)
# As long as botocore's InvokeModelIdentifier and ConversationalModelId allow.
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/"
LONGEST = ARN + "a" * (2048 - len(ARN))


@pytest.mark.parametrize("body", [b'{"embedding":[0.1]}', b'{"completion":"Hi"}', b"\x89PNG", b""])
def test_counts_that_stand_only_in_headers_are_taken(body: bytes) -> None:
    out, facts = observed("invoke", body, headers=[*COUNTED, TIER])

    assert out == body
    assert (facts.tokens, facts.service_tier) == (TOKENS, "flex")
    assert (facts.ended, facts.error_type, facts.note) == (True, None, None)


def test_an_embedding_has_no_output() -> None:
    _, facts = observed("invoke", {"embedding": [0.1]}, headers=[(INPUT, b"8")])

    assert facts.tokens == TokenCounts(input=8)


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "converse"])
def test_the_bodys_own_counts_are_better_for_they_tell_more(name: str) -> None:
    _, facts = observed("invoke", WHOLE[name].body, headers=COUNTED)

    assert facts.tokens == WHOLE[name].tokens


def test_an_empty_header_is_none() -> None:
    headers = [(INPUT, b"8"), (OUTPUT, b""), (READ, b"")]

    assert observed("invoke", {"embedding": [0.1]}, headers=headers)[1].tokens == TokenCounts(
        input=8
    )
    assert observed("invoke", {"embedding": [0.1]}, headers=[(INPUT, b"")])[1].tokens is None


@pytest.mark.parametrize(
    "value", [b"-1", b"1.5", b"x", b"1e3", b" 5", b"\xb2", b"10000000000", b"9" * 5000]
)
@pytest.mark.parametrize("name", [INPUT, OUTPUT, READ, WRITTEN])
def test_an_impossible_count_in_a_header_makes_usage_unknown(name: bytes, value: bytes) -> None:
    headers = [(key, value if key == name else count) for key, count in COUNTED]

    _, facts = observed("invoke", {"completion": "Hi"}, headers=headers)

    assert facts.tokens is None
    assert facts.note


@given(st.lists(st.tuples(st.sampled_from([INPUT, OUTPUT, READ, TIER[0]]), st.binary(max_size=30))))
def test_any_headers_are_survived(headers: list[tuple[bytes, bytes]]) -> None:
    for name in ("invoke", "invoke stream", "converse"):
        for content_type in ("application/json", EVENT_STREAM):
            out, facts = observed(name, b"{}", headers=headers, content_type=content_type)

            assert out == b"{}"
            assert facts.tokens is None or min(facts.tokens.by_type()) >= 0


def test_an_error_has_no_counts_whatever_its_headers() -> None:
    _, facts = observed("invoke", {"message": "no"}, status=429, headers=COUNTED)

    assert (facts.error_type, facts.tokens) == (ErrorType.RATE_LIMIT, None)


def test_the_tier_in_the_headers_stands_over_the_makers_word() -> None:
    body = json.loads(json.dumps(WHOLE["claude"].body))
    body["usage"]["service_tier"] = "standard"
    start = chunk({"type": "message_start", "message": {"usage": body["usage"]}})

    _, whole = observed("invoke", body, headers=[TIER])
    _, streamed = observed("invoke stream", start, headers=[TIER], content_type=EVENT_STREAM)
    _, plain = observed("invoke", body)

    assert (whole.service_tier, streamed.service_tier) == ("flex", "flex")
    assert plain.service_tier == "standard"


def test_a_stream_without_that_header_has_no_tier() -> None:
    _, facts = observed("invoke stream", STREAMS["llama"].stream, content_type=EVENT_STREAM)

    assert facts.service_tier is None
    assert facts.tokens == STREAMS["llama"].tokens


def test_the_longest_model_id_of_aws_is_taken_and_one_more_character_is_not() -> None:
    dialect = BedrockDialect()

    for model in (LONGEST, LONGEST.replace(":", "%3A").replace("/", "%2F")):
        path = f"/model/{model}/converse"
        assert dialect.operation("POST", path) is Operation.CONVERSE
        assert dialect.read_request(Operation.CONVERSE, path, b"{}").model == LONGEST
        with pytest.raises(RefusedRequestError) as refused:
            dialect.read_request(Operation.CONVERSE, f"/model/{model}a/converse", b"{}")
        assert refused.value.refusal_code == "invalid_model"
