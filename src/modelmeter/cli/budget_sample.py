"""``modelmeter budget test``: a sample of what people are told of a budget."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelmeter.budgets.events import BudgetEvent

__all__ = ["send_sample"]


def send_sample(
    name: Annotated[str, typer.Argument(help="The budget.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """
    Send a sample to every address of [notifications], with the budget's numbers of this moment.

    Nothing is kept of it. The exit status is 2 if any address did not take it.
    """
    import msgspec

    from modelmeter.alerts.channels import channels_of
    from modelmeter.cli.ledger_option import settings_of
    from modelmeter.errors import SettingsError, UpstreamError

    settings = settings_of(config, secrets=["notifications", "grafana"])
    if not settings.notifications.wanted:
        raise SettingsError(
            'nobody is to be told: give [notifications] urls = ["env:SLACK_URL"] in the '
            "configuration, or a [notifications.grafana]"
        )
    event = _event_of(ledger or settings.ledger, name)
    failures: dict[str, str] = {}
    channels = channels_of(settings.notifications)
    for channel in channels:
        try:
            channel.send(event, sample=True)
        except UpstreamError as error:
            failures[channel.name] = error.message
        if not as_json:
            typer.echo(failures.get(channel.name, f"{channel.name}: delivered"))
    if as_json:
        outcomes = {one.name: failures.get(one.name) for one in channels}
        typer.echo(msgspec.json.encode(outcomes).decode())
    if failures:
        raise SettingsError(
            f"{len(failures)} of {len(channels)} addresses took no sample: "
            f"{'; '.join(failures.values())}"
        )


def _event_of(ledger: Path, name: str) -> "BudgetEvent":
    """What reaching the first threshold now would be told as."""
    import time
    from contextlib import closing

    from modelmeter.budgets.events import BudgetEvent
    from modelmeter.budgets.state import budget_states
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.read_only import connect_reader

    now_ns = time.time_ns()
    with closing(connect_reader(ledger)) as connection:
        states = budget_states(connection, now_ns)
    state = next((one for one in states if one.name == name), None)
    if state is None:
        raise SettingsError(f"there is no budget {name!r}; see `modelmeter budget list`")
    ends = state.resets_at
    return BudgetEvent(
        budget_id=0,
        budget=name,
        threshold=min(state.thresholds, default=100),
        window_start_ns=int(state.window_start.timestamp()) * 1_000_000_000,
        window_end_ns=None if ends is None else int(ends.timestamp()) * 1_000_000_000,
        at_ns=now_ns,
        unit=state.unit.value,
        limit=state.limit,
        settled=state.settled,
        reserved=state.reserved,
    )
