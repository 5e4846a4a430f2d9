"""What people read of an event: the numbers, when the window ends, and a link."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from modelmeter.budgets.events import BudgetEvent

__all__ = ["Message", "Severity", "message_of"]

Severity = Literal["info", "warning", "failure"]

_FULL_PERCENT = 100
_NS_PER_MICROSECOND = 1_000
_USD = "usd"


class Message(msgspec.Struct, frozen=True):
    """A notification in words."""

    title: str
    body: str
    severity: Severity


def message_of(
    event: BudgetEvent, *, deployment: str = "", link: str | None = None, sample: bool = False
) -> Message:
    """Say what happened to a budget; a ``sample`` says that nothing did."""
    limit = _amount(event.limit, event.unit)
    if event.threshold:
        title = f"Budget {event.budget}: {event.threshold} % of {limit} spent"
    else:
        title = f"Budget {event.budget}: a call was refused, {limit} are used up"
    left = max(event.limit - event.settled - event.reserved, Decimal(0))
    lines = [
        f"Spent: {_amount(event.settled, event.unit)}",
        f"Reserved by calls under way: {_amount(event.reserved, event.unit)}",
        f"Limit: {limit}",
        f"Left: {_amount(left, event.unit)}",
        f"At: {_moment(event.at_ns)}",
        f"Window began: {_moment(event.window_start_ns)}",
    ]
    if event.window_end_ns is not None:
        lines.append(f"Window ends: {_moment(event.window_end_ns)}")
    if sample:
        title = f"Sample: {title}"
        lines.insert(0, "This is a sample: nothing has happened.")
    if deployment:
        title = f"[{deployment}] {title}"
        lines.append(f"Deployment: {deployment}")
    if link is not None:
        lines += ["", link]
    stops = not event.threshold or event.threshold >= _FULL_PERCENT
    return Message(title, "\n".join(lines), "failure" if stops else "warning")


def _amount(value: Decimal, unit: str) -> str:
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {'USD' if unit == _USD else unit}"


def _moment(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // _NS_PER_MICROSECOND)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
