"""What each entry adds to the cumulative series behind the metrics."""

from bisect import bisect_left
from typing import Final

import msgspec

from modelmeter.ledger.cards import CardBook
from modelmeter.ledger.labels import LabelBook
from modelmeter.record import PICO_PER_USD, TOKEN_TYPES, Call, CostState, ErrorType, Status

__all__ = [
    "AGENT_INFO",
    "BUDGET_BLOCKED",
    "BUDGET_DOWNGRADED",
    "BUDGET_OVERRUN",
    "BUDGET_SHADOW",
    "CACHE_EVICTIONS",
    "CACHE_HITS",
    "CACHE_MISSES",
    "CACHE_SAVINGS",
    "COST",
    "DEFAULT_TENANT",
    "DEPLOYMENT",
    "DOWN",
    "DURATION_BUCKET",
    "DURATION_EDGES_SECONDS",
    "DURATION_SUM",
    "ERRORS",
    "FIRST_TOKEN_BUCKET",
    "FIRST_TOKEN_EDGES_SECONDS",
    "FIRST_TOKEN_SUM",
    "FLOOR",
    "NOTIFICATIONS",
    "OVERHEAD_BUCKET",
    "OVERHEAD_EDGES_SECONDS",
    "OVERHEAD_SUM",
    "RELAYED",
    "REPRICED",
    "REQUESTS",
    "TENANT",
    "THROTTLED",
    "TOKENS",
    "UNPRICED",
    "SeriesTally",
]

REQUESTS: Final = "requests"
TOKENS: Final = "tokens"
COST: Final = "cost"
CACHE_EVICTIONS: Final = "cache_evictions"
CACHE_HITS: Final = "cache_hits"
CACHE_MISSES: Final = "cache_misses"
CACHE_SAVINGS: Final = "cache_savings"
ERRORS: Final = "errors"
UNPRICED: Final = "unpriced"
DURATION_BUCKET: Final = "duration_bucket"
DURATION_SUM: Final = "duration_sum"
FIRST_TOKEN_BUCKET: Final = "first_token_bucket"
FIRST_TOKEN_SUM: Final = "first_token_sum"
AGENT_INFO: Final = "agent_info"
TENANT: Final = "tenant"
RELAYED: Final = "relayed"
OVERHEAD_BUCKET: Final = "overhead_bucket"
OVERHEAD_SUM: Final = "overhead_sum"
DEPLOYMENT: Final = "deployment"
NOTIFICATIONS: Final = "notifications"
THROTTLED: Final = "throttled"
REPRICED: Final = "repriced"
DOWN: Final = "_down"
"""Behind a kind: by how much corrections took its true sum down."""
FLOOR: Final = "_floor"
"""Behind a kind: what its counter showed before a correction took it down."""
BUDGET_BLOCKED: Final = "budget_blocked"
BUDGET_DOWNGRADED: Final = "budget_downgraded"
BUDGET_OVERRUN: Final = "budget_overrun"
BUDGET_SHADOW: Final = "budget_shadow"

DURATION_EDGES_SECONDS: Final = (
    0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10,
    15, 20, 30, 45, 60, 90, 120, 180, 300, 600,
)  # fmt: skip
FIRST_TOKEN_EDGES_SECONDS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 120,
)  # fmt: skip
OVERHEAD_EDGES_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)

_NS = 1_000_000_000
_PICO_PER_NS = 1000
_DURATION_EDGES_NS = tuple(int(edge * _NS) for edge in DURATION_EDGES_SECONDS)
_FIRST_TOKEN_EDGES_NS = tuple(int(edge * _NS) for edge in FIRST_TOKEN_EDGES_SECONDS)
_OVERHEAD_EDGES_NS = tuple(int(edge * _NS) for edge in OVERHEAD_EDGES_SECONDS)

DEFAULT_TENANT: Final = "default"
"""How the tenant without a name is shown: Prometheus takes an empty label for none."""

LABEL_TEXTS_MAX = 50_000
"""Rendered label sets kept in memory; the memory of them is dropped whole when it is full."""

_WITHOUT_DURATION = frozenset({Status.UNKNOWN, Status.BLOCKED})
"""No upstream was waited for, or nobody saw how long."""

_encode = msgspec.json.Encoder().encode


class SeriesTally:
    """
    The sum of what the entries of one transaction add, one amount a series.

    An amount is in 1e-12 of the series' unit (USD, seconds, or a count), so that every sum is
    exact. The ledger's writer keeps one tally and empties it with every transaction.
    """

    def __init__(self, labels: LabelBook) -> None:
        self._labels = labels
        self._amounts: dict[tuple[str, str], int] = {}
        self._texts: dict[tuple[str, ...], str] = {}
        self.cards = CardBook()
        """The rate cards of the entries."""

    def name_agent(self, agent_id: str) -> None:
        """An agent's call is under way: it is shown by its name, if there is room for it."""
        self._labels.admit("agent_id", agent_id)

    def add_call(self, call: Call, *, is_entry: bool = True, has_duration: bool = True) -> None:
        """Add one call; of one that is no entry its program tells the error itself."""
        if call.card is not None:
            self.cards.add(call.card)
        intent = call.intent
        caller = intent.caller
        agent = self._labels.admit("agent_id", caller.agent_id)
        model = self._labels.admit("model", intent.model, known_only=_names_no_model(call))
        provider = intent.provider
        self._count((REQUESTS, agent, model, provider, call.status))
        self._add((COST, agent, model, provider), call.cost)
        for token_type, tokens in zip(TOKEN_TYPES, call.tokens.by_type(), strict=True):
            if tokens:
                self._count((TOKENS, agent, model, provider, token_type), tokens)
        if has_duration and call.status not in _WITHOUT_DURATION:
            self._observe(
                (DURATION_BUCKET, agent, model, provider),
                (DURATION_SUM, agent, model, provider),
                call.duration_ns,
                _DURATION_EDGES_NS,
            )
        if call.time_to_first_token_ns is not None:
            self._observe(
                (FIRST_TOKEN_BUCKET, agent, model, provider),
                (FIRST_TOKEN_SUM, agent, model, provider),
                call.time_to_first_token_ns,
                _FIRST_TOKEN_EDGES_NS,
            )
        if call.cached or intent.cache_miss is not None:
            self._add_cache_use(call, agent, model)
        if is_entry and (error := call.error) is not None:
            self._count((ERRORS, agent, model, provider, error))
        if call.error_type is ErrorType.THROTTLED:
            self._count((THROTTLED, agent))
        if call.cost_state is CostState.UNPRICED:
            self._count((UNPRICED, model, provider))
        self._set_once((AGENT_INFO, agent, self._labels.admit("team", caller.team)))
        self._set_once((TENANT, self._labels.admit("tenant_id", caller.tenant_id)))

    def add_counted(self, call: Call, *, has_duration: bool) -> None:
        """Add a call that a program tells of; its provider is any word, so it is bounded too."""
        provider = self._labels.admit("provider", call.intent.provider)
        intent = msgspec.structs.replace(call.intent, provider=provider)
        self.add_call(
            msgspec.structs.replace(call, intent=intent), is_entry=False, has_duration=has_duration
        )

    def add_entered(self, call: Call) -> None:
        """Add what is counted of an entry whose program counts its calls itself."""
        if call.cost_state is CostState.UNPRICED:
            model = self._labels.admit("model", call.model)
            provider = self._labels.admit("provider", call.intent.provider)
            self._count((UNPRICED, model, provider))

    def add_noted(
        self, kind: str, agent_id: str, model: str, provider: str, error_type: str
    ) -> None:
        """Count one error, cache hit or cache miss that a program tells of."""
        agent = self._labels.admit("agent_id", agent_id)
        shown = self._labels.admit("model", model)
        if kind == ERRORS:
            # The words are the program's own, so their number is bounded like a name's.
            why = self._labels.admit("error_type", error_type)
            self._count((ERRORS, agent, shown, self._labels.admit("provider", provider), why))
            return
        self._count((CACHE_HITS, agent, shown), int(kind == CACHE_HITS))
        self._count((CACHE_MISSES, agent, shown), int(kind == CACHE_MISSES))

    def add_overhead(self, overhead_ns: int) -> None:
        """Add the delay that the gateway itself put in front of one call."""
        self._observe((OVERHEAD_BUCKET,), (OVERHEAD_SUM,), overhead_ns, _OVERHEAD_EDGES_NS)

    def add_relayed(self, provider: str, status_class: str) -> None:
        """Count one request that was passed on without being metered."""
        self._count((RELAYED, provider, status_class))

    def add_budget(self, kind: str, budget: str) -> None:
        """Count what happened to a budget, of one of the ``BUDGET_…`` kinds."""
        self._count((kind, self._labels.admit("budget", budget)))

    def add_evictions(self, tenant_id: str, count: int) -> None:
        """Count answers of a tenant that made room in the response cache."""
        tenant = self._labels.admit("tenant_id", tenant_id)
        self._count((CACHE_EVICTIONS, tenant or DEFAULT_TENANT), count)

    def take_rows(self) -> list[tuple[str, str, int, int]]:
        """Empty the tally: rows of (kind, labels, whole, pico)."""
        rows = [
            (kind, labels, *divmod(amount, PICO_PER_USD))
            for (kind, labels), amount in self._amounts.items()
        ]
        self._amounts.clear()
        return rows

    def discard(self) -> None:
        """Forget what was added: its transaction failed."""
        self._amounts.clear()
        self.cards.discard()

    def _add_cache_use(self, call: Call, agent: str, model: str) -> None:
        """Born together, so that a ratio of them never lacks one side."""
        self._count((CACHE_HITS, agent, model), int(call.cached))
        self._count((CACHE_MISSES, agent, model), int(not call.cached))
        self._add((CACHE_SAVINGS, agent, model, call.intent.provider), call.cost_saved)
        tenant = self._labels.admit("tenant_id", call.intent.caller.tenant_id)
        self._set_once((CACHE_EVICTIONS, tenant or DEFAULT_TENANT))

    def _count(self, series: tuple[str, ...], amount: int = 1) -> None:
        self._add(series, amount * PICO_PER_USD)

    def _add(self, series: tuple[str, ...], amount: int) -> None:
        key = (series[0], self._text(series))
        self._amounts[key] = self._amounts.get(key, 0) + amount

    def _set_once(self, series: tuple[str, ...]) -> None:
        key = (series[0], self._text(series))
        self._amounts.setdefault(key, 0)

    def _observe(
        self, bucket: tuple[str, ...], total: tuple[str, ...], value_ns: int, edges: tuple[int, ...]
    ) -> None:
        self._count((*bucket, str(bisect_left(edges, value_ns))))
        self._add(total, value_ns * _PICO_PER_NS)

    def _text(self, series: tuple[str, ...]) -> str:
        text = self._texts.get(series)
        if text is None:
            if len(self._texts) >= LABEL_TEXTS_MAX:
                self._texts.clear()
            text = self._texts[series] = _encode(series[1:]).decode()
        return text


def _names_no_model(call: Call) -> bool:
    """A name that no upstream confirmed must not use up the cap of model labels."""
    return call.error_type is not None and not call.tokens.total
