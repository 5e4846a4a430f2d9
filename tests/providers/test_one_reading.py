"""A body that two readers could read differently is refused; all others are read and left alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import PROVIDER_KINDS, RequestFacts, dialect_for
from modelmeter.providers.one_reading import MEMBERS_MAX, VALUES_MAX, fields_of

PATHS = {
    "openai": "/chat/completions",
    "anthropic": "/v1/messages",
    "genai": "/v1beta/models/m:generateContent",
    "bedrock": "/model/m/converse",
}
NAMES = {
    "openai": [
        "model", "stream", "stream_options", "max_tokens", "max_completion_tokens",
        "max_output_tokens", "n", "messages", "x-unknown",
    ],
    "anthropic": ["model", "stream", "max_tokens", "messages", "tools"],
    "genai": ["generationConfig", "contents", "tools", "serviceTier"],
    "bedrock": ["inferenceConfig", "messages", "max_tokens", "max_gen_len"],
}  # fmt: skip
INNER = [
    ("openai", "stream_options", "include_usage"),
    ("genai", "generationConfig", "maxOutputTokens"),
    ("genai", "generationConfig", "candidateCount"),
    ("genai", "generation_config", "max_output_tokens"),
    ("bedrock", "inferenceConfig", "maxTokens"),
    ("bedrock", "textGenerationConfig", "maxTokenCount"),
]
LARGE = b'{"model":"m","text":"%b"}'


def read(kind: str, body: bytes) -> RequestFacts:
    """A request's facts, as the gateway reads them."""
    dialect, path = dialect_for(kind), PATHS[kind]
    operation = dialect.operation("POST", path)
    assert operation is not None
    return dialect.read_request(operation, path, body)


def refusal(kind: str, body: bytes) -> tuple[str, str]:
    """The code and the message with which a body is refused."""
    with pytest.raises(RefusedRequestError) as refused:
        read(kind, body)
    assert refused.value.http_status == 400
    return refused.value.refusal_code, refused.value.message


@pytest.mark.parametrize("kind", PROVIDER_KINDS)
@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        (b'"\xff"', "invalid_json", "not UTF-8"),
        (b'{"\xff":1}', "invalid_json", "not UTF-8"),
        (b'"\xc0\xaf"', "invalid_json", "not UTF-8"),
        (b'"\xed\xa0\x80"', "invalid_json", "not UTF-8"),
        (b"1e999", "invalid_request", "out of range"),
        (b"[[{},-1E+400]]", "invalid_request", "out of range"),
        (b"9" * 309, "invalid_request", "out of range"),
        (b"[1,-" + b"9" * 4000 + b"]", "invalid_request", "out of range"),
        (b"9" * 5000, "invalid_request", "out of range"),
        (b'"\\ud800"', "invalid_json", "half a surrogate pair"),
        (b'"\\uDBFF and more"', "invalid_json", "half a surrogate pair"),
        (b'"\\udc00"', "invalid_json", "half a surrogate pair"),
        (b'"\\ud800\\ud800"', "invalid_json", "half a surrogate pair"),
        (b'{"\\udfff":1}', "invalid_json", "half a surrogate pair"),
        (b"NaN", "invalid_json", "not JSON"),
        (b'"\\\\ud800" x', "invalid_json", "not JSON"),
        (b"[" * 100_000, "invalid_json", "not JSON"),
    ],
)
def test_what_is_no_text_or_number_is_refused_wherever_it_stands(
    kind: str, value: bytes, code: str, why: str
) -> None:
    told = refusal(kind, b'{"model":"m","metadata":[{"x":%b}]}' % value)

    assert told[0] == code
    assert why in told[1]


@pytest.mark.parametrize(
    "value",
    [
        b'"\\ud83d\\ude00"', "\U0001f600é".encode().join((b'"', b'"')), b'"\\\\ud800"', b"1e308",
        b"-1.5E-999", b"18446744073709551616", b'"\\u0000"', b'{"a":{"a":{"a":[1,1]}}}', b"[[]]",
        b"1" + b"0" * 308, b"0." + b"9" * 400, b"1e-" + b"9" * 400, b"1E+" + b"0" * 400,
        b'"' + b"9" * 400 + b'"', rb'"\"\\' + b"9" * 400 + rb'\""',
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", PROVIDER_KINDS)
def test_what_is_text_or_number_goes_upstream_byte_for_byte(kind: str, value: bytes) -> None:
    body = b'{ "model" : "m" ,"metadata":%b\n}' % value

    assert read(kind, body).upstream_body is body


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names]
)
@pytest.mark.parametrize("value", [b"null", b"{}"])
def test_a_name_that_stands_twice_is_refused(kind: str, name: str, value: bytes) -> None:
    escaped = b"\\u%04x" % ord(name[0]) + name[1:].encode()
    for again in (name.encode(), escaped):
        body = b'{"%b":%b,"other":[1,{"other":2}],"%b":%b}' % (name.encode(), value, again, value)

        code, message = refusal(kind, body)

        assert code == "name_repeated"
        assert f"says {name!r} twice" in message


@pytest.mark.parametrize(("kind", "name", "inner"), INNER)
def test_a_name_that_stands_twice_in_what_is_metered_is_refused(
    kind: str, name: str, inner: str
) -> None:
    twice = f'{{"{inner}":1,"x":{{}},"{inner}":2}}'

    code, message = refusal(kind, f'{{"model":"m","{name}":{twice},"messages":[]}}'.encode())

    assert (code, repr(inner) in message) == ("name_repeated", True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"generationConfig":{"maxOutputTokens":5,"max_output_tokens":500}}',
        b'{"generation_config":{"max_output_tokens":5,"maxOutputTokens":null}}',
        b'{"generationConfig":{"candidateCount":1,"candidate_count":8}}',
        b'{"generationConfig":{"maxOutputTokens":5},"generation_config":{}}',
        b'{"serviceTier":"flex","service_tier":"priority"}',
    ],
)
def test_a_field_that_stands_in_both_of_gemini_s_spellings_is_refused(body: bytes) -> None:
    code, message = refusal("genai", body)

    assert code == "name_repeated"
    assert "which are one field" in message


def test_either_of_gemini_s_spellings_is_read() -> None:
    for name, limit, count in (
        ("generationConfig", "maxOutputTokens", "candidateCount"),
        ("generationConfig", "max_output_tokens", "candidate_count"),
        ("generation_config", "max_output_tokens", "candidateCount"),
    ):
        facts = read("genai", json.dumps({name: {limit: 7, count: 3}, "system_x": 1}).encode())

        assert (facts.output_tokens_max, facts.answers) == (7, 3)


def test_a_long_name_is_not_told_whole() -> None:
    name = "n" * 10_000

    assert len(refusal("openai", f'{{"{name}":1,"{name}":2}}'.encode())[1]) < 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m",' + b",".join(b'"k%d":0' % n for n in range(10**6)) + b"}",
        b'{"model":"m","a":{' + b",".join(b'"k%d" :\n0' % n for n in range(10**6)) + b"}}",
        b'{"model":"m",' + b",".join([b'"a":0'] * (MEMBERS_MAX + 1)) + b"}",
        b'{"model":"m","text":"' + b":" * 10**6 + b'","a":[{"\\\\":1}' + b',{"":0}' * 10**5 + b"]}",
        b'{"model":"m","a":[' + b"0," * VALUES_MAX + b"0]}",
        b'{"model":"m","a":[' + b"[]," * VALUES_MAX + b"0]}",
        b'{"model":"m","a":[' + b'"",' * VALUES_MAX + b"0]}",
        b'{"model":"m","a":[' + b'"",' * 3 * VALUES_MAX + b"0]}",
        b'{"model":"m","a":[[[[' + b'"]",' * VALUES_MAX + b"0]]]]}",
    ],
    ids=str,
)
def test_too_many_values_are_refused_before_they_are_read(body: bytes) -> None:
    code, message = refusal("openai", body)

    assert code == "too_many_values"
    assert str(MEMBERS_MAX) in message or str(VALUES_MAX) in message


@pytest.mark.parametrize(
    "text",
    [
        b":,[{" * 10**6,
        json.dumps([{"a": 1, "b": '"\\'}] * 300_000).encode().replace(b"\\", rb"\\")
        .replace(b'"', rb"\""),
        b"x" * 2 * 10**7,
        rb"\\" * 10**6 + rb"\":" * 10**6,
    ],
    ids=["marks", "json", "long", "escapes"],
)  # fmt: skip
def test_a_text_may_hold_any_number_of_marks(text: bytes) -> None:
    assert read("openai", LARGE % text).model == "m"


def test_as_many_tokens_as_an_embedding_takes_are_read() -> None:
    body = json.dumps({"model": "m", "input": [[100_000] * 1000] * 300}).encode()
    dialect = dialect_for("openai")
    operation = dialect.operation("POST", "/embeddings")
    assert operation is not None

    assert dialect.read_request(operation, "/embeddings", body).upstream_body is body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)  # fmt: skip


@given(
    fields=st.dictionaries(st.text(max_size=6), JSON, max_size=6),
    ascii_only=st.booleans(),
    indent=st.sampled_from((None, 2)),
)
def test_any_object_is_read_as_it_is(
    fields: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps(fields, ensure_ascii=ascii_only, indent=indent).encode()

    assert fields_of(body) == fields


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_read_alike_or_refused(noise: bytes, at: int) -> None:
    good = b'{"model":"m","messages":[{"role":"user","content":"\\ud83d\\ude00"}],"n":1e2}'
    body = good[:at] + noise + good[at:]

    try:
        fields = fields_of(body)
    except RefusedRequestError:
        return
    assert fields == json.loads(body)
