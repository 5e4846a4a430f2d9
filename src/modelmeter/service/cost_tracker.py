"""Costs by day, week and month for programs that meter their calls themselves."""

from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

import msgspec

from modelmeter.ledger import Entered
from modelmeter.ledger.reader import GroupBy, Report, report
from modelmeter.meter import Pricer
from modelmeter.record import Caller, Clock, Teams, TokenCounts
from modelmeter.service.cost_calculator import usd_float
from modelmeter.service.process_ledger import LedgerAccess
from modelmeter.service.told_call import told_call

__all__ = ["DAYS_MAX", "CostEntry", "CostTracker", "DailyCostSummary"]

DAYS_MAX = 3_660
"""Days in one range."""

_NS = 1_000_000_000
_PERCENT = 100.0
_DAYS_OF_WEEK = 7

Day = str | date | None
"""YYYY-MM-DD, a date or time, or None for today."""


class CostEntry(msgspec.Struct, frozen=True):
    """The cost of one call as it was recorded."""

    timestamp: datetime
    agent_id: str
    model: str
    provider: str
    prompt_tokens: int
    completion_tokens: int
    cost: float
    """USD."""


class DailyCostSummary(msgspec.Struct, frozen=True):
    """What the calls of one day add up to; costs in USD."""

    date: str
    """YYYY-MM-DD."""
    total_cost: float
    total_requests: int
    total_tokens: int
    cost_by_agent: dict[str, float]
    cost_by_model: dict[str, float]
    cost_by_provider: dict[str, float]


class CostTracker:
    """
    A ledger's costs by day, in the configured time zone.

    What is recorded here is entered in the ledger and committed when `record_cost` returns; what
    the gateway and `LLMService` entered there counts as well. Sums are exact and become floats
    at the end.
    """

    def __init__(
        self,
        ledger: LedgerAccess,
        teams: Teams,
        pricer: Pricer,
        clock: Clock,
        time_zone: ZoneInfo,
        daily_budget: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._teams = teams
        self._pricer = pricer
        self._clock = clock
        self._time_zone = time_zone
        self._turn = Lock()
        self._daily_budget = daily_budget

    @property
    def daily_budget(self) -> float | None:
        """The limit of a day in USD that `check_budget_threshold` compares with."""
        with self._turn:
            return self._daily_budget

    @daily_budget.setter
    def daily_budget(self, limit: float | None) -> None:
        with self._turn:
            self._daily_budget = limit

    def record_cost(
        self,
        agent_id: str,
        model: str,
        provider: str,
        prompt_tokens: int,
        completion_tokens: int,
        timestamp: datetime | float | None = None,
    ) -> float:
        """
        Enter a call and give its cost in USD, at the price of its time.

        A model without a known price is entered as unpriced and costs 0. A ``timestamp`` without
        a time zone is UTC; a number is seconds since 1970.

        Raises:
            LedgerUnavailableError: the entry is not on the disk.
            ValueError: a count is negative.
        """
        if prompt_tokens < 0 or completion_tokens < 0:
            raise ValueError("counts of tokens must not be negative")
        tokens = TokenCounts(input=prompt_tokens, output=completion_tokens)
        at_ns = self._clock.time_ns() if timestamp is None else _ns(timestamp)
        price = self._pricer.price(provider, model, tokens, at_ns)
        caller = Caller(agent_id=agent_id, team=self._teams.of(agent_id))
        call = told_call(
            caller, model, provider, started_at_ns=at_ns, tokens=tokens, cost=price.cost
        )
        call = msgspec.structs.replace(
            call,
            cost_state=price.state,
            priced_model=price.priced_model,
            price_source=price.price_source,
            note=price.note,
            card=price.card,
        )
        self._ledger.commit(Entered(call))
        return usd_float(price.cost)

    def get_daily_summary(self, date: Day = None) -> DailyCostSummary:
        """
        What a day's calls cost.

        Raises:
            LedgerError: the ledger cannot be read now.
            ValueError: ``date`` is no date.
        """
        day = self._day(date)
        by_agent = self._report(day, day, GroupBy.AGENT)
        total = by_agent.total
        return DailyCostSummary(
            date=day.isoformat(),
            total_cost=usd_float(total.cost),
            total_requests=total.calls,
            total_tokens=total.tokens,
            cost_by_agent=_costs(by_agent),
            cost_by_model=_costs(self._report(day, day, GroupBy.MODEL)),
            cost_by_provider=_costs(self._report(day, day, GroupBy.PROVIDER)),
        )

    def get_cost_range(self, start_date: Day, end_date: Day) -> list[DailyCostSummary]:
        """
        The summaries of the days from ``start_date`` to ``end_date``, both included.

        Raises:
            LedgerError: the ledger cannot be read now.
            ValueError: no dates, the end before the start, or more than `DAYS_MAX` days.
        """
        first, last = self._day(start_date), self._day(end_date)
        days = (last - first).days + 1
        if not 0 < days <= DAYS_MAX:
            raise ValueError(f"give a range of 1 to {DAYS_MAX} days, not {first} to {last}")
        return [self.get_daily_summary(first + timedelta(days=day)) for day in range(days)]

    def get_weekly_summary(self, date: Day = None) -> dict[str, object]:
        """
        What the week around a day cost, Monday to Sunday.

        Raises:
            LedgerError: the ledger cannot be read now.
            ValueError: ``date`` is no date.
        """
        day = self._day(date)
        monday = day - timedelta(days=day.weekday())
        return self._span(monday, monday + timedelta(days=_DAYS_OF_WEEK - 1))

    def get_monthly_summary(self, date: Day = None) -> dict[str, object]:
        """
        What the calendar month around a day cost.

        Raises:
            LedgerError: the ledger cannot be read now.
            ValueError: ``date`` is no date.
        """
        first = self._day(date).replace(day=1)
        next_month = (first + timedelta(days=31)).replace(day=1)
        return self._span(first, next_month - timedelta(days=1))

    def check_budget_threshold(
        self, threshold_percent: float = 80.0, date: Day = None
    ) -> dict[str, object]:
        """
        How much of the daily budget a day has used; without a budget nothing is over it.

        Raises:
            LedgerError: the ledger cannot be read now.
            ValueError: ``date`` is no date.
        """
        limit = self.daily_budget
        day = self._day(date)
        spent = usd_float(self._report(day, day, GroupBy.AGENT).total.cost)
        used = 0.0
        if limit is not None:
            used = spent / limit * _PERCENT if limit > 0 else (_PERCENT if spent else 0.0)
        return {
            "date": day.isoformat(),
            "daily_budget": limit,
            "current_cost": spent,
            "remaining": None if limit is None else max(limit - spent, 0.0),
            "percent_used": used,
            "threshold_percent": threshold_percent,
            "is_over_threshold": limit is not None and used >= threshold_percent,
            "is_over_budget": limit is not None and spent > limit,
        }

    def _span(self, first: date, last: date) -> dict[str, object]:
        total = self._report(first, last, GroupBy.AGENT).total
        return {
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
            "total_cost": usd_float(total.cost),
            "total_requests": total.calls,
            "total_tokens": total.tokens,
            "daily_summaries": self.get_cost_range(first, last),
        }

    def _report(self, first: date, last: date, by: GroupBy) -> Report:
        start = datetime.combine(first, time(), tzinfo=self._time_zone)
        end = datetime.combine(last + timedelta(days=1), time(), tzinfo=self._time_zone)
        return self._ledger.read(
            lambda connection: report(connection, start, end, by, self._time_zone)
        )

    def _day(self, day: Day) -> date:
        if day is None:
            moment = datetime.fromtimestamp(self._clock.time_ns() // _NS, UTC)
            return moment.astimezone(self._time_zone).date()
        if isinstance(day, datetime):
            return day.astimezone(self._time_zone).date() if day.tzinfo else day.date()
        return day if isinstance(day, date) else date.fromisoformat(day)


def _costs(groups: Report) -> dict[str, float]:
    return {row.name: usd_float(row.sums.cost) for row in groups.rows}


def _ns(timestamp: datetime | float) -> int:
    if not isinstance(timestamp, datetime):
        return int(timestamp * _NS)
    moment = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * _NS + moment.microsecond * 1_000
