"""What to do about cost: each piece of advice with its figure in USD."""

import sqlite3
from collections import defaultdict
from typing import Literal

import msgspec

from modelmeter.cache.advice import cache_advice
from modelmeter.ledger.cache_figures import cache_use
from modelmeter.ledger.paid_failures import paid_failures
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Dimension, Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.metrics.panels import CACHE_HIT_RATE_AIM_PERCENT
from modelmeter.pricing import PriceBook
from modelmeter.record import counted, money_text, usd_text
from modelmeter.web.answers import Answer
from modelmeter.web.asking import Asked
from modelmeter.web.cheaper import ModelUse, cheaper_models, model_uses

__all__ = ["Advice", "AdviceItem", "advice"]

ITEMS_MAX = 50
LOOKUPS_MIN = 20
"""An agent that asked the cache less often tells nothing."""

_DAY_NS = 86_400 * 10**9
_WEEK_NS = 7 * _DAY_NS
_QUARTER_YEAR_NS = 90 * _DAY_NS


class AlternativeModel(Answer):
    """A cheaper model, and what the week would have cost on it."""

    provider: str
    model: str
    cost_usd: str


class AdviceItem(Answer):
    """One thing worth a look."""

    kind: Literal["cheaper_model", "low_cache_hit_rate", "unpriced_model", "paid_failures"]
    title: str
    detail: str
    usd: str
    """The most that it saves; of an unpriced model, about what it has cost."""
    is_estimate: bool
    """The figure rests on an assumption that the detail names."""
    cost_usd: str
    """What the calls it is about have cost."""
    calls: int
    agent: str | None
    provider: str | None
    model: str | None
    alternatives: list[AlternativeModel]


class Advice(Answer):
    """About the last seven days, the largest figure first."""

    basis: str
    advice: list[AdviceItem]


def advice(connection: sqlite3.Connection, asked: Asked, prices: PriceBook) -> Advice:
    """
    Advice on the calls of the last week that the question is about.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    now_ns = asked.now_ns
    week = Span(now_ns - _WEEK_NS, now_ns + 1)
    uses = model_uses(connection, week, asked.wanted)
    earlier = Span(now_ns - _QUARTER_YEAR_NS, now_ns + 1)
    known = model_uses(connection, earlier, UsageFilter(tenant=asked.wanted.tenant))
    found = [
        *_cheaper(uses, known, prices, now_ns),
        *_unpriced(uses),
        *_cache(connection, week, asked.wanted),
        *_failures(connection, week, asked.wanted),
    ]
    found.sort(key=lambda one: (-one[0], one[1].title))
    return Advice(
        basis="The last seven days, at today's prices.",
        advice=[item for _, item in found[:ITEMS_MAX]],
    )


_Found = list[tuple[int, AdviceItem]]
"""Each with its figure in pico-dollars."""


def _cheaper(uses: list[ModelUse], known: list[ModelUse], prices: PriceBook, now_ns: int) -> _Found:
    found = []
    for use in uses:
        others = cheaper_models(use, known, prices, now_ns)
        if not others:
            continue
        best = others[0]
        saved = use.cost - best.cost
        item = _item(
            "cheaper_model",
            saved,
            use.cost,
            use.calls,
            title=f"{use.model} costs more than {best.model} would",
            detail=f"The same tokens would have cost {money_text(best.cost)} instead of "
            f"{money_text(use.cost)}. Another model may answer otherwise, and at another length.",
            provider=use.provider,
            model=use.model,
            alternatives=[
                AlternativeModel(
                    provider=other.provider, model=other.model, cost_usd=usd_text(other.cost)
                )
                for other in others
            ],
        )
        found.append((saved, item))
    return found


def _unpriced(uses: list[ModelUse]) -> _Found:
    priced = [use for use in uses if not use.unpriced_calls and use.tokens.total]
    tokens = sum(use.tokens.total for use in priced)
    cost = sum(use.cost for use in priced)
    found = []
    for use in uses:
        if not use.unpriced_calls:
            continue
        of_them = use.tokens.total * use.unpriced_calls // use.calls
        about = cost * of_them // tokens if tokens else 0
        item = _item(
            "unpriced_model",
            about,
            use.cost,
            use.unpriced_calls,
            title=f"{use.model} has no known price",
            detail=f"At $0.00 until then: {counted(use.unpriced_calls, 'call')}. At the average "
            f"price of all other tokens that is about {money_text(about)}. Give a price in the "
            "configuration, then run `modelmeter reprice`.",
            is_estimate=True,
            provider=use.provider,
            model=use.model,
        )
        found.append((about, item))
    return found


def _cache(connection: sqlite3.Connection, week: Span, wanted: UsageFilter) -> _Found:
    low: dict[str, Sums] = {}
    for agent, _, facts_of_agent in facts(connection, week, wanted, SUM_FACTS, by=Dimension.AGENT):
        sums = Sums.of(facts_of_agent)
        lookups = sums.cached + sums.cache_missed
        if lookups >= LOOKUPS_MIN and _hit_percent(sums) < CACHE_HIT_RATE_AIM_PERCENT:
            low[agent] = sums
    if not low:
        return []
    # Reasons are read off the entries themselves; those of a day will do.
    day = Span(max(week.start_ns, week.end_ns - _DAY_NS), week.end_ns)
    of_low = msgspec.structs.replace(wanted, agent=tuple(low))
    why: defaultdict[str, list[str]] = defaultdict(list)
    for reason in cache_advice(
        cache_use(connection, day, of_low),
        aim_percent=CACHE_HIT_RATE_AIM_PERCENT,
        calls_min=LOOKUPS_MIN,
    ):
        why[reason.agent_id].append(reason.text)
    return [_cache_item(agent, sums, " ".join(why[agent])) for agent, sums in low.items()]


def _cache_item(agent: str, sums: Sums, why: str) -> tuple[int, AdviceItem]:
    lookups = sums.cached + sums.cache_missed
    # More hits would have spared a like part of what the misses cost.
    more = lookups * CACHE_HIT_RATE_AIM_PERCENT // 100 - sums.cached
    saved = sums.cost * more // max(sums.calls - sums.cached, 1)
    item = _item(
        "low_cache_hit_rate",
        saved,
        sums.cost,
        sums.calls,
        title=f"{agent}: {_hit_percent(sums)} % of look-ups in the cache are hits",
        detail=f"{lookups:,} calls asked the cache. At {CACHE_HIT_RATE_AIM_PERCENT} % hits they "
        f"would have cost {money_text(saved)} less. {why}".rstrip(),
        is_estimate=True,
        agent=agent,
    )
    return saved, item


def _hit_percent(sums: Sums) -> int:
    return 100 * sums.cached // (sums.cached + sums.cache_missed)


def _failures(connection: sqlite3.Connection, week: Span, wanted: UsageFilter) -> _Found:
    return [
        (
            one.cost,
            _item(
                "paid_failures",
                one.cost,
                one.cost,
                one.calls,
                title=f"{one.agent_id} pays for calls that come to nothing",
                detail=f"{counted(one.calls, 'attempt')} of {counted(one.requests, 'request')}, "
                f"failed, cut or left by their callers, cost {money_text(one.cost)}; "
                f"retries among them: {one.retries:,}.",
                agent=one.agent_id,
            ),
        )
        for one in paid_failures(connection, week, wanted)
    ]


def _item(
    kind: Literal["cheaper_model", "low_cache_hit_rate", "unpriced_model", "paid_failures"],
    figure: int,
    cost: int,
    calls: int,
    *,
    title: str,
    detail: str,
    is_estimate: bool = False,
    agent: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    alternatives: list[AlternativeModel] | None = None,
) -> AdviceItem:
    return AdviceItem(
        kind=kind,
        title=title,
        detail=detail,
        usd=usd_text(figure),
        is_estimate=is_estimate,
        cost_usd=usd_text(cost),
        calls=calls,
        agent=agent,
        provider=provider,
        model=model,
        alternatives=alternatives or [],
    )
