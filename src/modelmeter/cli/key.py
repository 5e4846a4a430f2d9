"""``modelmeter key``: gateway keys, made here and kept only as hashes."""

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Gateway keys.", no_args_is_help=True)


@app.callback()
def key() -> None:
    """Gateway keys: who may call, as which tenant, team and agents."""


@app.command()
def new(
    tenant: Annotated[str, typer.Option(help="The tenant that calls with this key.")] = "",
    team: Annotated[str | None, typer.Option(help="The team; without it: the agent's.")] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(
            help="Agents it may name, such as 'meetmind.*'; without --team for their own teams."
        ),
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="call, read, or both.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Valid for so many days.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key: the key itself is shown once, the configuration gets its hash."""
    import hashlib
    import secrets
    from datetime import UTC, datetime, timedelta

    import msgspec
    from pydantic import ValidationError

    from modelmeter.errors import SettingsError
    from modelmeter.settings.model import KeySettings

    public_id = secrets.token_hex(6)
    secret = f"mm-{public_id}-{secrets.token_urlsafe(32)}"
    ends = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    entry: dict[str, object] = {
        "id": public_id,
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "tenant_id": tenant,
        "agents": agents or ["*"],
        "scopes": scope or ["call"],
    }
    if team is not None:
        entry["team"] = team
    if ends is not None:
        entry["expires_at"] = ends.replace(microsecond=0).isoformat()
    try:
        KeySettings.model_validate(entry)
    except ValidationError as error:
        raise SettingsError(f"no such key: {error.errors()[0]['msg']}") from error
    if as_json:
        typer.echo(msgspec.json.encode({"key": secret, "entry": entry}))
        return
    # JSON's strings and lists are TOML's too.
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in entry.items()]
    # Apart, so that `key new >> modelmeter.toml` keeps the hash and not the key.
    typer.echo(f"# The key, shown only now: {secret}\n# For the configuration:", err=True)
    typer.echo("\n".join(["[[keys]]", *lines]))
