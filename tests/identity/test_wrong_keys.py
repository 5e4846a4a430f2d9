"""Wrong keys are counted by address: a limit, a minute, a bound on memory."""

from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.gateway.wrong_keys import WrongKeys

NS = 10**9
ERROR = RefusedRequestError("a key is needed", code="invalid_gateway_key", http_status=401)


class HandClock:
    """Goes on when it is told to; its wall time is another one."""

    def __init__(self) -> None:
        self.now_ns = 0

    def time_ns(self) -> int:
        """Far away."""
        return 1_800_000_000 * NS - self.now_ns

    def monotonic_ns(self) -> int:
        """Since the start."""
        return self.now_ns


def statuses(wrong_keys: WrongKeys, peers: list[str]) -> list[int]:
    """The status that each try is answered with."""
    return [wrong_keys.refusal(peer, ERROR).http_status for peer in peers]


def test_tries_at_the_limit_are_401_and_beyond_it_429_until_the_minute_ends() -> None:
    clock = HandClock()
    wrong_keys = WrongKeys(clock, per_minute_max=3, peers_max=10)

    assert statuses(wrong_keys, ["192.0.2.1"] * 5) == [401, 401, 401, 429, 429]
    assert statuses(wrong_keys, ["192.0.2.2"]) == [401]
    clock.now_ns = 45 * NS + 1
    refusal = wrong_keys.refusal("192.0.2.1", ERROR)
    assert (refusal.http_status, refusal.retry_after_seconds) == (429, 15)
    clock.now_ns = 60 * NS
    assert statuses(wrong_keys, ["192.0.2.1"] * 4) == [401, 401, 401, 429]


def test_an_ipv6_peer_gains_nothing_by_changing_its_address() -> None:
    wrong_keys = WrongKeys(HandClock(), per_minute_max=2, peers_max=10)
    peers = [f"2001:db8:1:2:{number:x}::1" for number in range(3)]

    assert statuses(wrong_keys, [*peers, "2001:db8:1:3::1", ""]) == [401, 401, 429, 401, 401]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 90)), max_size=200))
def test_the_memory_is_bounded_and_nobody_gets_more_than_the_limit(
    tries: list[tuple[int, int]],
) -> None:
    clock = HandClock()
    wrong_keys = WrongKeys(clock, per_minute_max=4, peers_max=8)
    for peer, seconds in tries:
        clock.now_ns += seconds * NS
        wrong_keys.refusal(f"192.0.2.{peer}", ERROR)

        assert len(wrong_keys._counts) <= 8
        newest = wrong_keys._counts[f"192.0.2.{peer}"]
        assert clock.now_ns - newest.began_ns < 60 * NS
