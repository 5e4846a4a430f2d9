"""What one entry adds to every sum over entries: the additive facts, by name."""

from typing import Final

from modelmeter.ledger.series import DURATION_EDGES_SECONDS, FIRST_TOKEN_EDGES_SECONDS
from modelmeter.record import Status, TokenCounts

__all__ = [
    "CORRECTION_FACTS",
    "DURATION_FACTS",
    "ENTRY_FACTS",
    "ERROR",
    "FACTS",
    "FIRST_TOKEN_FACTS",
    "STATUS_FACTS",
    "TOKEN_FACTS",
]

_NS = 1_000_000_000

ERROR: Final = f"iif(e.status = '{Status.SUCCESS}', NULL, coalesce(e.error_type, e.status))"
"""SQL: `Call.error` of an entry ``e``."""

STATUS_FACTS: Final = {status: f"status_{status}" for status in Status}
TOKEN_FACTS: Final = {kind: f"tokens_{kind}" for kind in TokenCounts.__struct_fields__}
DURATION_FACTS: Final = tuple(
    f"duration_{place}" for place in range(len(DURATION_EDGES_SECONDS) + 1)
)
"""How many calls fell into each bucket of the durations' histogram; the last is above all edges."""
FIRST_TOKEN_FACTS: Final = tuple(
    f"first_token_{place}" for place in range(len(FIRST_TOKEN_EDGES_SECONDS) + 1)
)

# As in the series behind the metrics: where no upstream was waited for, there is no duration.
_HAS_DURATION = "status NOT IN ('unknown', 'blocked')"


def _bucket(value: str, edges: tuple[float, ...], place: int) -> str:
    """
    Whether a value lies above the edge before a histogram's bucket, up to and with its own.

    SQLite looks at one column for each bucket, and a value that is NULL is in none.
    """
    below = "-1" if place == 0 else str(int(edges[place - 1] * _NS))
    if place == len(edges):
        return f"{value} > {below}"
    return f"{value} BETWEEN {below} + 1 AND {int(edges[place] * _NS)}"


ENTRY_FACTS: Final = {
    "calls": "1",
    **{fact: f"(status = '{status}')" for status, fact in STATUS_FACTS.items()},
    "cached": "cached",
    "cache_missed": "(cache_miss IS NOT NULL)",
    "unpriced": "(cost_state = 'unpriced')",
    "tokens": " + ".join(TOKEN_FACTS.values()),
    **{fact: fact for fact in TOKEN_FACTS.values()},
    # Two parts each: SQLite's integers end at 9.2 million USD in pico-dollars.
    "cost_usd": "cost_pico_usd / 1000000000000",
    "cost_pico": "cost_pico_usd % 1000000000000",
    "saved_usd": "cost_saved_pico_usd / 1000000000000",
    "saved_pico": "cost_saved_pico_usd % 1000000000000",
    "duration_ns": f"CASE WHEN {_HAS_DURATION} THEN duration_ns ELSE 0 END",
    "first_token_ns": "coalesce(time_to_first_token_ns, 0)",
    **{
        # The range first: it is cheaper to ask for, and mostly not met.
        fact: f"({_bucket('duration_ns', DURATION_EDGES_SECONDS, place)} AND {_HAS_DURATION})"
        for place, fact in enumerate(DURATION_FACTS)
    },
    **{
        fact: (
            f"coalesce({_bucket('time_to_first_token_ns', FIRST_TOKEN_EDGES_SECONDS, place)}, 0)"
        )
        for place, fact in enumerate(FIRST_TOKEN_FACTS)
    },
}
"""Each fact, and the SQL that reads it off a row of ``entry``."""

FACTS: Final = tuple(ENTRY_FACTS)

CORRECTION_FACTS: Final = {
    "unpriced": "unpriced_delta",
    "cost_usd": "cost_delta_pico_usd / 1000000000000",
    "cost_pico": "cost_delta_pico_usd % 1000000000000",
    "saved_usd": "cost_saved_delta_pico_usd / 1000000000000",
    "saved_pico": "cost_saved_delta_pico_usd % 1000000000000",
}
"""The facts that a correction changes, and the SQL that reads off ``correction`` by how much."""
