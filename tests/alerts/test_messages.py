"""What people read of an event."""

from decimal import Decimal

import msgspec
import pytest
from receiver import TestClock, an_event

from modelmeter.alerts.message import message_of
from modelmeter.settings.notifications import TEMPLATE_WORDS, NotificationSettings

EVENT = an_event(TestClock())
SETTINGS = NotificationSettings(deployment="production", link="https://grafana.example/d/llm")


def test_the_numbers_the_window_and_the_link_are_told() -> None:
    message = message_of(EVENT, SETTINGS)

    assert message.title == "[production] Budget meetmind-daily: 80 % of 50 USD spent"
    assert message.body.splitlines() == [
        "Spent: 40.125 USD",
        "Reserved by calls under way: 1.5 USD",
        "Limit: 50 USD",
        "Left: 8.375 USD",
        "At: 2026-09-21 14:13:20 UTC",
        "Window began: 1970-01-02 00:00:00 UTC",
        "Window ends: 1970-01-03 00:00:00 UTC",
        "Deployment: production",
        "",
        "https://grafana.example/d/llm",
    ]


@pytest.mark.parametrize(
    ("threshold", "severity"), [(50, "warning"), (100, "failure"), (0, "failure")]
)
def test_what_stops_calls_is_graver_than_what_warns(threshold: int, severity: str) -> None:
    assert message_of(msgspec.structs.replace(EVENT, threshold=threshold)).severity == severity


def test_a_first_refusal_says_so() -> None:
    message = message_of(msgspec.structs.replace(EVENT, threshold=0))

    assert message.title == "Budget meetmind-daily: a call was refused, 50 USD are used up"


def test_amounts_are_exact_and_never_negative() -> None:
    event = msgspec.structs.replace(
        EVENT, unit="tokens", limit=Decimal(1000000), settled=Decimal(1000001)
    )

    lines = message_of(event).body.splitlines()

    assert lines[0] == "Spent: 1,000,001 tokens"
    assert lines[3] == "Left: 0 tokens"


def test_templates_of_the_configuration_may_name_every_word() -> None:
    template = " ".join(f"{word}=${word}" for word in TEMPLATE_WORDS)
    settings = NotificationSettings(
        title="$budget at $threshold %", body=f"{template} $$5", deployment="d", link="https://g"
    )

    message = message_of(EVENT, settings)

    assert message.title == "meetmind-daily at 80 %"
    assert message.body == (
        "budget=meetmind-daily threshold=80 limit=50 USD spent=40.125 USD reserved=1.5 USD "
        "left=8.375 USD at=2026-09-21 14:13:20 UTC window_start=1970-01-02 00:00:00 UTC "
        "window_end=1970-01-03 00:00:00 UTC deployment=d link=https://g $5"
    )


def test_a_budgets_name_is_no_template() -> None:
    event = msgspec.structs.replace(EVENT, budget="$limit")

    assert message_of(event, NotificationSettings(title="$budget")).title == "$limit"
