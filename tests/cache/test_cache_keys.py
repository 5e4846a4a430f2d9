"""Two requests share a key exactly if their answers are interchangeable."""

import json
from itertools import combinations

import msgspec
import pytest
from cache_cases import BODY, PARTS
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.cache import KeyParts, cache_key
from modelmeter.cache.key import CANONICAL_BODY_BYTES_MAX

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def key_of(**changes: object) -> bytes:
    """The key of the usual request with some parts changed."""
    return cache_key(msgspec.structs.replace(PARTS, **changes))


def with_field(name: str, value: object) -> bytes:
    """The usual body with a field set."""
    return json.dumps({**json.loads(BODY), name: value}).encode()


def test_blanks_and_the_order_of_names_do_not_matter() -> None:
    fields = json.loads(BODY)
    turned = {name: fields[name] for name in reversed(fields)}

    assert key_of(body=json.dumps(turned, indent=2).encode()) == key_of()


@given(value=JSON_VALUES, indent=st.sampled_from([None, 0, 3]))
def test_any_body_has_the_key_of_its_canonical_form(value: object, indent: int | None) -> None:
    plain = json.dumps(value, ensure_ascii=True, sort_keys=True, indent=indent)
    try:
        other = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return

    assert key_of(body=plain.encode()) == key_of(body=other)


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": "globex"},
        {"credential": b"authorization: Bearer sk-2"},
        {"provider": "azure"},
        {"endpoint": "POST https://api.openai.com/v1/responses"},
        {"headers": ((b"content-type", b"application/json"), (b"openai-beta", b"x"))},
        {"body": with_field("temperature", 0.4)},
        {"body": with_field("temperature", 0.30000000000000001)[:-1] + b"1}"},
        {"body": with_field("top_p", 1)},
        {"body": with_field("tools", [])},
        {"body": with_field("seed", 1)},
        {"body": with_field("stream", True)},
        {"body": with_field("messages", [{"role": "system", "content": "hi"}])},
        {"body": with_field("messages", [{"role": "user", "content": "hi "}])},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_whatever_an_answer_may_depend_on_changes_the_key(changes: dict[str, object]) -> None:
    assert key_of(**changes) != key_of()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"user-agent", b"OpenAI/Python"),
        (b"x-stainless-retry-count", b"1"),
        (b"traceparent", b"00-0-0-00"),
        (b"idempotency-key", b"one"),
        (b"authorization", b"Bearer other"),
    ],
)
def test_headers_that_only_say_who_calls_do_not_change_the_key(name: bytes, value: bytes) -> None:
    assert key_of(headers=(*PARTS.headers, (name, value))) == key_of()


def test_the_order_of_headers_does_not_matter_but_that_of_one_name_does() -> None:
    one, two, three = (b"anthropic-beta", b"a"), (b"anthropic-beta", b"b"), (b"accept", b"*/*")

    assert key_of(headers=(one, two, three)) == key_of(headers=(three, one, two))
    assert key_of(headers=(one, two)) != key_of(headers=(two, one))


@given(parts=st.lists(st.text(max_size=4), min_size=3, max_size=3), cut=st.integers(0, 12))
def test_no_shifting_of_bytes_between_parts_gives_an_equal_key(parts: list[str], cut: int) -> None:
    joined = "".join(parts)
    first, second = joined[:cut], joined[cut:]
    pairs = {(first, second), (joined, ""), ("", joined), (parts[0], parts[1] + parts[2])}

    keys = {cache_key(KeyParts(a, b"", b, "", b"{}")) for a, b in pairs}

    assert len(keys) == len(pairs)


@pytest.mark.parametrize(
    "bodies",
    [
        (b'{"a":1}', b'{"a":1.0}', b'{"a":1e0}', b'{"a":"1"}', b'{"a":[1]}'),
        (b'{"a":0.1}', b'{"a":0.10000000000000000001}'),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}', b'{"a":9007199254740993.0}'),
        (b'{"a":0}', b'{"a":-0}', b'{"a":null}', b'{"a":false}', b"{}"),
        (b'{"a":1,"a":2}', b'{"a":2}', b'{"a":2,"a":1}', b'{"a":1}'),
        (b'{"a":NaN}', b'{"a":Infinity}', b'{"a":"NaN"}', b'{"a":null}'),
        (b"not json", b'"not json"', b""),
        (b'{"a":"\\ud800"}', b'{"a":"\\ud801"}', b'{"a":"?"}'),
        (b"\xff", b"\xfe", b"[" * 100_000, b"[" * 100_001),
    ],
    ids=lambda bodies: repr(bodies[0][:20]),
)
def test_bodies_that_differ_in_anything_have_keys_of_their_own(bodies: tuple[bytes, ...]) -> None:
    keys = [key_of(body=body) for body in bodies]

    assert all(one != other for one, other in combinations(keys, 2))


def test_a_very_long_body_is_taken_byte_for_byte() -> None:
    long = json.dumps({"a": "x" * CANONICAL_BODY_BYTES_MAX}).encode()

    assert key_of(body=long) == key_of(body=long)
    assert key_of(body=long) != key_of(body=long + b" ")
