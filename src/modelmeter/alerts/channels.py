"""The ways by which people are told: services by their apprise URL, and Grafana's annotations."""

import logging
from typing import Protocol

from modelmeter.alerts.annotations import Annotation, post_annotation
from modelmeter.alerts.apprise_reason import reason_in
from modelmeter.alerts.message import DEFAULTS, message_of
from modelmeter.budgets.events import BudgetEvent
from modelmeter.errors import SettingsError, UpstreamError
from modelmeter.record import ErrorType
from modelmeter.settings.notifications import NotificationSettings

__all__ = ["AppriseChannel", "Channel", "GrafanaChannel", "channels_of"]

_LOUD_LOGGERS = ("urllib3", "requests")
"""Libraries below apprise whose debug logs and warnings hold the addresses that they call."""


class Channel(Protocol):
    """One way to tell people; called from a thread of its own."""

    @property
    def name(self) -> str:
        """Stable and no secret: by it the ledger knows what was delivered."""
        ...

    def send(self, event: BudgetEvent, *, sample: bool = False) -> None:
        """
        Tell of an event; as a ``sample`` it says that it is one.

        Raises:
            UpstreamError: it did not arrive; the text holds no secret.
        """
        ...


def channels_of(settings: NotificationSettings) -> list[Channel]:
    """
    All ways that are configured.

    Raises:
        SettingsError: apprise is not installed, or knows no such address.
    """
    channels: list[Channel] = [
        AppriseChannel(url.name, url.url.get_secret_value(), settings) for url in settings.urls
    ]
    if settings.grafana is not None:
        token = settings.grafana.token.get_secret_value()
        channels.append(GrafanaChannel(settings.grafana.url, token, settings))
    return channels


class AppriseChannel:
    """A service that apprise speaks to: https://github.com/caronc/apprise/wiki."""

    def __init__(self, name: str, url: str, settings: NotificationSettings = DEFAULTS) -> None:
        """
        Raises:
            SettingsError: apprise is not installed, or knows no such address.
        """
        try:
            from apprise import Apprise
        except ImportError as error:
            raise SettingsError("notifications need apprise: install modelmeter[notify]") from error
        for logger in _LOUD_LOGGERS:
            logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
        # What it warns of stands in its results, for which it has to be heard, but by nobody else.
        own = logging.getLogger("apprise")
        own.setLevel(logging.WARNING)
        own.propagate = False
        self.name = name
        self._settings = settings
        self._service = Apprise()
        if not self._service.add(url):
            raise SettingsError(
                f"notifications: {name} holds no address that apprise knows; see "
                "https://github.com/caronc/apprise/wiki"
            )

    def send(self, event: BudgetEvent, *, sample: bool = False) -> None:
        """See `Channel.send`."""
        from apprise import NotifyType

        message = message_of(event, self._settings, sample=sample)
        result = self._service.notify(
            title=message.title, body=message.body, notify_type=NotifyType(message.severity)
        )
        if not result:
            reason = reason_in(entry.message for entry in result.logs())
            raise UpstreamError(
                f"{self.name} did not take the notification: {reason}",
                error_type=ErrorType.CONNECTION,
            )


class GrafanaChannel:
    """Marks on the dashboards of a Grafana, with tags to ask for them by."""

    name = "grafana"

    def __init__(self, url: str, token: str, settings: NotificationSettings = DEFAULTS) -> None:
        self._url = url
        self._token = token
        self._settings = settings

    def send(self, event: BudgetEvent, *, sample: bool = False) -> None:
        """See `Channel.send`."""
        tags = ["modelmeter", "budget", "alert", f"budget:{event.budget}"]
        if self._settings.deployment:
            tags.append(f"deployment:{self._settings.deployment}")
        text = message_of(event, self._settings, sample=sample).title
        post_annotation(self._url, self._token, Annotation(text, tags, event.at_ns))
