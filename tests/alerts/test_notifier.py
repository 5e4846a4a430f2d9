"""People are told once, also by several processes, across restarts, and after a time without."""

import logging
import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from ledger_file import query
from receiver import ListChannel, Receiver, TestClock, add_event, an_event, receiver

from modelmeter.alerts.channels import AppriseChannel, Channel, GrafanaChannel, channels_of
from modelmeter.alerts.notifier import Notifier
from modelmeter.alerts.outbox import Due
from modelmeter.budgets.events import BudgetEvent
from modelmeter.errors import SettingsError, UpstreamError
from modelmeter.ledger.database import connect_writer
from modelmeter.record import SystemClock
from modelmeter.settings.load import load_settings
from modelmeter.settings.notifications import NotificationSettings

SECRET = "s3cr3t-c4n4ry-t0ken"
POLL_SECONDS = 0.02
PROCESSES = 2


@pytest.fixture(name="ledger")
def ledger_fixture(tmp_path: Path) -> Path:
    """A ledger that is there."""
    path = tmp_path / "ledger.db"
    connect_writer(path).close()
    return path


@pytest.fixture(name="service")
def service_fixture() -> Iterator[Receiver]:
    """Who is told."""
    with receiver() as running:
        yield running


def url_of(service: Receiver) -> str:
    """The receiver's address as apprise has it, with a secret."""
    return f"json://127.0.0.1:{service.port}/hook/{SECRET}"


def a_recent_event(threshold: int = 80) -> BudgetEvent:
    """A crossing just now."""
    return an_event(TestClock(SystemClock().time_ns()), threshold=threshold)


def notify(ledger: Path, url: str, end: Event) -> None:
    """What one worker's process does."""
    notifier = Notifier(
        ledger, [AppriseChannel("env:HOOK", url)], SystemClock(), poll_seconds=POLL_SECONDS
    )
    notifier.start()
    end.wait()
    notifier.close()


def test_a_service_is_told_the_numbers_and_the_link(ledger: Path, service: Receiver) -> None:
    settings = NotificationSettings(deployment="production", link="https://grafana.example/d/llm")
    channel = AppriseChannel("env:HOOK", url_of(service), settings)
    notifier = Notifier(ledger, [channel], SystemClock(), poll_seconds=POLL_SECONDS)
    notifier.start()

    add_event(ledger, a_recent_event())
    path, _, body = service.next()
    notifier.close()

    assert path == f"/hook/{SECRET}"
    assert body["title"] == "[production] Budget meetmind-daily: 80 % of 50 USD spent"
    assert body["type"] == "warning"
    text = str(body["message"])
    assert "Spent: 40.125 USD" in text
    assert "Reserved by calls under way: 1.5 USD" in text
    assert "Left: 8.375 USD" in text
    assert "https://grafana.example/d/llm" in text


def test_two_processes_tell_it_once(ledger: Path, service: Receiver) -> None:
    context = multiprocessing.get_context("spawn")
    events = [a_recent_event(threshold) for threshold in (0, 50, 80, 100)]
    for event in events:
        add_event(ledger, event)
    end = context.Event()
    processes = [
        context.Process(target=notify, args=(ledger, url_of(service), end), daemon=True)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()

    try:
        titles = [str(service.next()[2]["title"]) for _ in events]
    finally:
        end.set()
        for process in processes:
            process.join()

    assert service.received.empty()
    assert len(set(titles)) == len(events)
    assert query(ledger, "SELECT DISTINCT state, attempts FROM notification") == [("delivered", 1)]
    assert [process.exitcode for process in processes] == [0] * PROCESSES


def test_a_receiver_that_was_down_is_told_once_it_is_up_also_after_a_restart(
    ledger: Path, service: Receiver
) -> None:
    clock = TestClock(SystemClock().time_ns())
    service.up = False
    add_event(ledger, a_recent_event())
    channel = AppriseChannel("env:HOOK", url_of(service))
    first = Notifier(ledger, [channel], clock, poll_seconds=POLL_SECONDS)
    first.start()
    service.next_refused()
    first.close()

    service.up = True
    clock.move(600)
    second = Notifier(ledger, [channel], clock, poll_seconds=POLL_SECONDS)
    second.start()
    service.next()
    second.close()

    clock.move(600)
    channel_of_third = ListChannel("env:HOOK")
    third = Notifier(ledger, [channel_of_third], clock, poll_seconds=POLL_SECONDS)
    third.start()
    third.close()
    assert service.received.empty()
    assert channel_of_third.told == []


def test_one_channel_that_is_down_keeps_no_other_from_being_told(
    ledger: Path, service: Receiver
) -> None:
    broken = ListChannel("broken")
    broken.up = False
    working = AppriseChannel("env:HOOK", url_of(service))
    notifier = Notifier(ledger, [broken, working], SystemClock(), poll_seconds=POLL_SECONDS)
    notifier.start()

    add_event(ledger, a_recent_event())
    service.next()
    notifier.close()

    assert broken.told == []


def test_grafana_gets_a_mark_with_tags(ledger: Path, service: Receiver) -> None:
    settings = NotificationSettings(deployment="production")
    channel = GrafanaChannel(f"http://127.0.0.1:{service.port}", SECRET, settings)
    event = a_recent_event()

    channel.send(event)

    path, headers, body = service.next()
    assert (path, headers["authorization"]) == ("/api/annotations", f"Bearer {SECRET}")
    assert body == {
        "time": event.at_ns // 1_000_000,
        "tags": [
            "modelmeter",
            "budget",
            "alert",
            "budget:meetmind-daily",
            "deployment:production",
        ],
        "text": "[production] Budget meetmind-daily: 80 % of 50 USD spent",
    }


@pytest.mark.parametrize("reachable", [True, False])
def test_no_log_and_no_error_holds_the_secret(
    ledger: Path, service: Receiver, caplog: pytest.LogCaptureFixture, *, reachable: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    service.up = False
    port = service.port if reachable else 9
    channels: list[Channel] = [
        AppriseChannel("env:HOOK", f"json://127.0.0.1:{port}/hook/{SECRET}"),
        GrafanaChannel(f"http://127.0.0.1:{port}", SECRET),
    ]
    notifier = Notifier(ledger, channels, SystemClock())
    errors = []

    for channel in channels:
        with pytest.raises(UpstreamError) as failure:
            channel.send(a_recent_event())
        errors.append(str(failure.value))
        assert not notifier._told(Due(a_recent_event(), channel.name, 0, 0))

    assert "env:HOOK did not take" in caplog.text
    assert SECRET not in caplog.text
    assert not any(SECRET in error for error in errors)


CONFIG = """
[notifications]
urls = ["env:HOOK"]
link = "https://grafana.example/d/llm"

[notifications.grafana]
url = "https://grafana.example"
token = "env:TOKEN"
"""


def test_the_settings_show_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text(CONFIG)

    settings = load_settings(path, {"HOOK": f"json://h/{SECRET}", "TOKEN": SECRET})

    assert SECRET not in repr(settings)
    assert [channel.name for channel in channels_of(settings.notifications)] == [
        "env:HOOK",
        "grafana",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f'urls = ["json://h/{SECRET}"]', "a secret stands elsewhere"),
        ('urls = ["env:NOBODY"]', "NOBODY is not set"),
        ("uls = []", "did you mean 'urls'"),
        ('link = "javascript:alert(1)"', "give an http"),
        ('title = "$budjet"', r"\$budjet is unknown; there are \$budget"),
        ('body = "50 $"', r"write \$\$ for a dollar sign"),
        ('[notifications.grafana]\nurl = "https://g"\ntoken = "plain"', "stands elsewhere"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line_and_without_the_secret(
    tmp_path: Path, text: str, wrong: str
) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text(f"[notifications]\n{text}\n")

    with pytest.raises(SettingsError, match=wrong) as error:
        load_settings(path, {})

    assert f"{path}:" in str(error.value)
    assert SECRET not in str(error.value)


def test_an_address_that_apprise_does_not_know_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="env:HOOK") as error:
        AppriseChannel("env:HOOK", f"nothing://{SECRET}")

    assert SECRET not in str(error.value)
