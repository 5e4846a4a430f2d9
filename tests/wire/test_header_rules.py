"""Which heads pass: what is named passes, all else stays behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.wire.header_rules import (
    clean_identifier,
    forwardable_request_headers,
    forwardable_response_headers,
    is_relayable,
)

KEPT = (b"content-type", b"application/json")
TOKEN = st.sampled_from([
    b"content-type", b"authorization", b"connection", b"keep-alive", b"te", b"upgrade", b"cookie",
    b"set-cookie", b"x-forwarded-for", b"x-real-ip", b"forwarded", b"host", b"proxy-authorization",
    b"transfer-encoding", b"content-length", b"x-modelmeter-key", b"openai-beta", b"x-stainless-os",
])  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"transfer-encoding",
        b"proxy-authorization", b"cookie", b"host", b"forwarded", b"x-forwarded-for",
        b"x-forwarded-host", b"x-real-ip", b"x-agent-id", b"x-team", b"x-tenant-id",
        b"x-modelmeter-key",
    ],
)  # fmt: skip
def test_what_is_between_the_caller_and_the_gateway_stays_there(name: bytes) -> None:
    assert forwardable_request_headers([(name, b"v"), KEPT]) == [KEPT]


@pytest.mark.parametrize("name", [b"set-cookie", b"connection", b"transfer-encoding", b"server"])
def test_what_is_between_the_gateway_and_the_provider_stays_there(name: bytes) -> None:
    assert forwardable_response_headers([(name, b"v"), KEPT]) == [KEPT]


def test_what_the_connection_header_names_is_for_the_next_hop_only() -> None:
    headers = [(b"connection", b"close, Authorization"), (b"authorization", b"Bearer x"), KEPT]

    assert forwardable_request_headers(headers) == [KEPT]


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\x00b", b"a\r\nx-evil: 1", b"v" * 32_769])
def test_a_value_that_could_begin_another_header_or_has_no_end_is_dropped(value: bytes) -> None:
    assert forwardable_request_headers([(b"x-stainless-lang", value), KEPT]) == [KEPT]
    assert forwardable_response_headers([(b"x-request-id", value), KEPT]) == [KEPT]


@given(st.lists(st.tuples(TOKEN, st.binary(max_size=40))))
def test_any_headers_come_out_as_a_part_of_what_came_in(headers: list[tuple[bytes, bytes]]) -> None:
    passed = forwardable_request_headers(headers)

    rest = iter(headers)
    assert all(header in rest for header in passed)
    assert not any(b"\n" in value or b"\r" in value for _, value in passed)


@pytest.mark.parametrize("status", [100, 101, 199, 301, 302, 307, 308, 399, 600, 0])
def test_an_answer_that_leads_elsewhere_or_nowhere_is_not_passed_on(status: int) -> None:
    assert not is_relayable(status)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"meetmind.coordinator", "meetmind.coordinator"), ("björn".encode(), "björn"),
        (b"", None), (b"a" * 129, None), (b"a\x1b[31m", None), (b"a\tb", None), (b"\xff", None),
    ],
)  # fmt: skip
def test_a_name_is_short_and_printable(value: bytes, text: str | None) -> None:
    assert clean_identifier(value) == text
