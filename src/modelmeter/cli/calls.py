"""``modelmeter calls``: the latest calls, one line each."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["calls"]

_FOLLOW_SECONDS = 0.5
_LIMIT_MAX = 100_000


def calls(
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    team: Annotated[str | None, typer.Option(help="Only of this team.")] = None,
    model: Annotated[str | None, typer.Option(help="Only on this model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only to this provider.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    status: Annotated[
        str | None, typer.Option(help="success, error, timeout, cancelled, blocked or unknown.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_LIMIT_MAX, help="At most so many.")] = 20,
    since: Annotated[
        str | None, typer.Option(help="Only since then: today, 24h, … or an ISO time.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Go on with new calls until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: one object a line, with all columns.")
    ] = False,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration's file.")] = None,
) -> None:
    """Show the latest calls, the newest last."""
    import contextlib
    import time
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from modelmeter.cli.ledger_option import ledger_and_zone
    from modelmeter.errors import SettingsError
    from modelmeter.ledger.read_only import connect_reader
    from modelmeter.ledger.reader import CallFilter, calls_between, latest_calls, newest_seq
    from modelmeter.ledger.windows import window
    from modelmeter.record import Status

    if status is not None and status not in list(Status):
        raise SettingsError(f"no such status {status!r}: give one of {', '.join(Status)}")
    path, zone_name = ledger_and_zone(ledger, config)
    zone = ZoneInfo(zone_name)
    now = datetime.now(UTC)
    since_ns = 0
    if since is not None:
        text = f"{since}..9999-01-01" if since[:4].isdigit() else since
        since_ns = int(window(text, now, zone)[0].timestamp()) * 1_000_000_000
    wanted = CallFilter(agent, team, model, provider, tenant, status, since_ns)
    connection = connect_reader(path)

    def show(rows: Iterable[dict[str, object]]) -> None:
        for row in rows:
            typer.echo(_as_json(row) if as_json else _as_line(row, zone))

    if not as_json:
        typer.echo(_HEADING)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(connection):
        seen = newest_seq(connection)
        show(latest_calls(connection, wanted, limit=limit, upto_seq=seen))
        while follow:
            time.sleep(_FOLLOW_SECONDS)
            newest = newest_seq(connection)
            show(calls_between(connection, wanted, after_seq=seen, upto_seq=newest))
            seen = newest


_HEADING = (
    f"{'time':<19} {'agent':<26} {'model':<26} {'status':<18} "
    f"{'tokens in':>10} {'out':>8} {'cost':>12} {'took':>10} {'first':>10}"
)


def _as_json(row: dict[str, object]) -> str:
    import msgspec

    from modelmeter.record import usd_text

    shown = {name: value for name, value in row.items() if not name.endswith("_pico_usd")}
    shown["cost_usd"] = usd_text(int(str(row["cost_pico_usd"])))
    shown["cost_saved_usd"] = usd_text(int(str(row["cost_saved_pico_usd"])))
    return msgspec.json.encode(shown).decode()


def _as_line(row: dict[str, object], zone: object) -> str:
    from datetime import datetime, tzinfo

    from modelmeter.cli.figures import count_text, inert, milliseconds_text, money_text

    started = int(str(row["started_at_ns"])) / 1e9
    moment = datetime.fromtimestamp(started, zone if isinstance(zone, tzinfo) else None)
    status = "success (cached)" if row["cached"] else row["error_type"] or row["status"]
    first = row["time_to_first_token_ns"]
    inputs = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input")
    outputs = ("output", "reasoning", "audio_output", "image_output")
    cost = money_text(int(str(row["cost_pico_usd"])))
    return (
        f"{moment:%Y-%m-%d %H:%M:%S} {_clip(inert(str(row['agent_id'])), 26)} "
        f"{_clip(inert(str(row['model'])), 26)} {_clip(str(status), 18)} "
        f"{count_text(_sum(row, (*inputs, 'image_input'))):>10} "
        f"{count_text(_sum(row, outputs)):>8} "
        f"{'unpriced' if row['cost_state'] == 'unpriced' else cost:>12} "
        f"{milliseconds_text(int(str(row['duration_ns']))):>10} "
        f"{milliseconds_text(None if first is None else int(str(first))):>10}"
    )


def _sum(row: dict[str, object], kinds: tuple[str, ...]) -> int:
    return sum(int(str(row[f"tokens_{kind}"])) for kind in kinds)


def _clip(text: str, width: int) -> str:
    return f"{text if len(text) <= width else text[: width - 1] + '…':<{width}}"
