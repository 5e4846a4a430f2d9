"""What people read of an event: the numbers, when the window ends, and a link."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from string import Template
from typing import Literal

import msgspec

from modelmeter.budgets.events import OVERRUN, BudgetEvent
from modelmeter.settings.notifications import NotificationSettings

__all__ = ["DEFAULTS", "Message", "Severity", "message_of"]

Severity = Literal["info", "warning", "failure"]

DEFAULTS = NotificationSettings()
_FULL_PERCENT = 100
_NS_PER_MICROSECOND = 1_000
_USD = "usd"


class Message(msgspec.Struct, frozen=True):
    """A notification in words."""

    title: str
    body: str
    severity: Severity


def message_of(
    event: BudgetEvent, settings: NotificationSettings = DEFAULTS, *, sample: bool = False
) -> Message:
    """Say what happened to a budget; a ``sample`` says that nothing did."""
    words = _words(event, settings)
    if settings.title is not None:
        title = Template(settings.title).substitute(words)
    else:
        title = _title(event, words)
        if settings.deployment:
            title = f"[{settings.deployment}] {title}"
    body = (
        "\n".join(_lines(event, settings, words))
        if settings.body is None
        else Template(settings.body).substitute(words)
    )
    if sample:
        title = f"Sample: {title}"
        body = f"This is a sample: nothing has happened.\n{body}"
    stops = not event.threshold or event.threshold >= _FULL_PERCENT
    return Message(title, body, "failure" if stops else "warning")


def _words(event: BudgetEvent, settings: NotificationSettings) -> dict[str, str]:
    """What the templates of the configuration may name: `TEMPLATE_WORDS`."""
    left = max(event.limit - event.settled - event.reserved, Decimal(0))
    ends = event.window_end_ns
    return {
        "budget": event.budget,
        "threshold": str(event.threshold),
        "limit": _amount(event.limit, event.unit),
        "spent": _amount(event.settled, event.unit),
        "reserved": _amount(event.reserved, event.unit),
        "asked": "" if event.asked is None else _amount(event.asked, event.unit),
        "left": _amount(left, event.unit),
        "at": _moment(event.at_ns),
        "window_start": _moment(event.window_start_ns),
        "window_end": "" if ends is None else _moment(ends),
        "deployment": settings.deployment,
        "link": settings.link or "",
    }


def _title(event: BudgetEvent, words: dict[str, str]) -> str:
    if event.threshold == OVERRUN:
        return f"Budget {event.budget}: a call used more than was held for it"
    if event.threshold:
        return f"Budget {event.budget}: {event.threshold} % of {words['limit']} spent"
    refused = f"Budget {event.budget}: a call was refused"
    if event.settled >= event.limit:
        return f"{refused}, {words['limit']} are used up"
    stands = f"of {words['limit']} {words['spent']} are spent and {words['reserved']} held"
    if event.asked is None:
        return f"{refused}: {stands}"
    return f"{refused} that asked for up to {words['asked']}: {stands}"


def _lines(
    event: BudgetEvent, settings: NotificationSettings, words: dict[str, str]
) -> Iterator[str]:
    yield f"Spent: {words['spent']}"
    yield f"Reserved by calls under way: {words['reserved']}"
    if event.asked is not None:
        yield f"Asked by the refused call: at most {words['asked']}"
    yield f"Limit: {words['limit']}"
    yield f"Left: {words['left']}"
    yield f"At: {words['at']}"
    yield f"Window began: {words['window_start']}"
    if event.window_end_ns is not None:
        yield f"Window ends: {words['window_end']}"
    if settings.deployment:
        yield f"Deployment: {settings.deployment}"
    if settings.link is not None:
        yield ""
        yield settings.link


def _amount(value: Decimal, unit: str) -> str:
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {'USD' if unit == _USD else unit}"


def _moment(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // _NS_PER_MICROSECOND)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
