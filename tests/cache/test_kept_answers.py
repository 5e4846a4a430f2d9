"""What of an upstream's answer is kept for others, and when nothing is."""

import gzip

import msgspec
import pytest
from cache_cases import HandClock, request_of
from odd_upstream import ANSWER
from test_cache_turns import SETTINGS, hit, turn_of

from modelmeter.cache import CachedAnswer, MemoryStore, ResponseCache
from modelmeter.gateway.answer_keeper import AnswerKeeper
from modelmeter.gateway.asgi import Headers
from modelmeter.meter import refused_call
from modelmeter.meter.inflated import seen_plain
from modelmeter.providers import AnswerHead, dialect_for
from modelmeter.record import CacheMiss, Caller, ErrorType, Intent, Operation, TokenCounts

DIALECT = dialect_for("openai")
JSON = (b"content-type", b"application/json")
FACTS = DIALECT.read_request(
    Operation.CHAT, "/chat/completions", b'{"model":"gpt-4o","messages":[]}'
)


ENTRY = refused_call(
    Intent(
        id="1",
        request_id="1",
        attempt=0,
        started_at_ns=0,
        caller=Caller(),
        provider="openai",
        operation=Operation.CHAT,
        model="gpt-4o",
        streamed=False,
        input_bytes=0,
        output_tokens_max=None,
    ),
    ErrorType.TIMEOUT,
    "",
)
ENTRY = msgspec.structs.replace(ENTRY, tokens=TokenCounts(input=5, output=3))
"""Only its tokens matter here."""


class Upstream:
    """An answer whose head has come."""

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


async def kept(
    body: bytes, *, status: int = 200, headers: Headers | None = None, succeeded: bool = True
) -> CachedAnswer | CacheMiss | None:
    """What the next equal call finds after an answer in two pieces."""
    clock = HandClock()
    cache = ResponseCache(SETTINGS, MemoryStore(bytes_max=2**20, clock=clock), clock)
    keeper = AnswerKeeper(await turn_of(cache, request_of()), FACTS)
    answer = Upstream(status, [JSON, *(headers or [])])
    head = AnswerHead(answer.status, answer.headers)
    observer = seen_plain(DIALECT.observe(FACTS, head), head)
    observer = keeper.watch(observer, answer)
    given = observer.feed(body[:20]) + observer.feed(body[20:]) + observer.end()
    assert given == body
    await keeper.conclude(ENTRY if succeeded else None)
    return await hit(cache, request_of())


async def test_a_whole_good_answer_is_kept_as_it_was_given() -> None:
    found = await kept(ANSWER)

    assert isinstance(found, CachedAnswer)
    assert found.body == ANSWER
    assert found.facts.model_answered == "gpt-4o-mini"


async def test_what_a_hit_saves_rests_on_the_entry_which_may_be_an_estimate() -> None:
    silent = ANSWER.replace(b'"usage"', b'"said"')

    found = await kept(silent)

    assert isinstance(found, CachedAnswer)
    assert found.facts.tokens == ENTRY.tokens


async def test_headers_of_one_call_or_of_none_of_the_callers_business_are_not_kept() -> None:
    found = await kept(
        ANSWER,
        headers=[
            (b"x-request-id", b"req_1"),
            (b"x-ratelimit-remaining-requests", b"3"),
            (b"anthropic-ratelimit-requests-remaining", b"3"),
            (b"retry-after", b"1"),
            (b"server-timing", b"x"),
            (b"openai-processing-ms", b"5"),
            (b"set-cookie", b"spy=1"),
            (b"x-amzn-requestid", b"r"),
        ],
    )

    assert isinstance(found, CachedAnswer)
    assert found.headers == [JSON, (b"x-request-id", b"req_1"), (b"x-amzn-requestid", b"r")]


async def test_what_others_may_not_understand_is_not_kept() -> None:
    zipped = gzip.compress(ANSWER)

    assert await kept(zipped, headers=[(b"content-encoding", b"gzip")]) is CacheMiss.NOT_STORED
    assert await kept(ANSWER, status=201) is CacheMiss.NOT_STORED


@pytest.mark.parametrize(
    "body",
    [
        ANSWER.replace(b'"stop"', b'"length"'),
        ANSWER.replace(b'"content":"hello"', b'"refusal":"I cannot"'),
        ANSWER.replace(b"hello", b"x" * SETTINGS.answer_bytes_max),
    ],
    ids=["cut", "refused", "too long"],
)
async def test_what_is_not_whole_is_remembered_as_such(body: bytes) -> None:
    assert await kept(body) is CacheMiss.NOT_STORED


async def test_an_answer_its_caller_did_not_get_whole_leaves_nothing() -> None:
    assert await kept(ANSWER, succeeded=False) is CacheMiss.FIRST_SEEN
