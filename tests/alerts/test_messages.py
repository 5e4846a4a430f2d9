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


REFUSAL = msgspec.structs.replace(EVENT, threshold=0, asked=Decimal("9.5"))


def test_a_first_refusal_says_what_was_used_held_and_asked() -> None:
    message = message_of(REFUSAL)

    assert message.title == (
        "Budget meetmind-daily: a call was refused that asked for up to 9.5 USD: "
        "of 50 USD 40.125 USD are spent and 1.5 USD held"
    )
    assert "Asked by the refused call: at most 9.5 USD" in message.body.splitlines()


def test_a_limit_is_said_to_be_used_up_only_where_it_is_spent() -> None:
    spent = msgspec.structs.replace(REFUSAL, settled=Decimal("50.00"), reserved=Decimal(0))
    of_old = msgspec.structs.replace(REFUSAL, asked=None)

    assert message_of(spent).title == (
        "Budget meetmind-daily: a call was refused, 50 USD are used up"
    )
    assert message_of(of_old).title == (
        "Budget meetmind-daily: a call was refused: of 50 USD 40.125 USD are spent and 1.5 USD held"
    )


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
        "asked= left=8.375 USD at=2026-09-21 14:13:20 UTC window_start=1970-01-02 00:00:00 UTC "
        "window_end=1970-01-03 00:00:00 UTC deployment=d link=https://g $5"
    )


def test_a_budgets_name_is_no_template() -> None:
    event = msgspec.structs.replace(EVENT, budget="$limit")

    assert message_of(event, NotificationSettings(title="$budget")).title == "$limit"
