"""
The gateways under test: installed, configured for their best fair speed, and started.

Each gets one process, no debug output and no telemetry. Neither peer keeps a record of a call in
this configuration: LiteLLM's proxy has no database, and Portkey's open gateway has none to have.
"""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.processes import (
    BenchError,
    clean_environment,
    debian_command,
    free_port,
    running,
    wait_until_ready,
)
from bench.upstream import MODEL

__all__ = ["GATEWAYS", "Gateway", "install", "start", "start_upstream", "version"]

LITELLM = "litellm[proxy]==1.109.1"
CALCULATOR = "openai-cost-calculator==1.3.0"
PORTKEY = "@portkey-ai/gateway@1.15.2"

LITELLM_OVERRIDES = ("certifi", "litellm-proxy-extras")
"""
Requirements of LiteLLM that are taken in any version the registry has: the root certificates, and
the database migrations. Neither is on the path of a call to an upstream on loopback without a
database; its exact pins of them are at times newer than what a registry's mirror holds.
"""

LITELLM_COMPANIONS = (
    "opentelemetry-api==1.45.1",
    "opentelemetry-sdk==1.45.1",
    "opentelemetry-exporter-otlp==1.45.1",
    "httptools==0.9.0",
)
"""
What makes LiteLLM faster than its own `proxy` extra does. Without OpenTelemetry (in its
`proxy-runtime` extra, at these versions) every call tries to import it anew; with httptools its
server parses HTTP in C. Measured together at 32 connections: 127 calls a second for 93.
"""

UPSTREAM_KEY = "sk-bench-upstream"
"""The provider key in the gateways' configurations; the upstream accepts any."""

PEERS = Path(__file__).parent / ".peers"
PYTHON = Path(sys.executable)


class Gateway(NamedTuple):
    """A target of the load."""

    name: str
    pid: int
    """Leads the process tree; memory and processor time are summed over it."""
    url: str
    """Of the chat completions endpoint."""
    headers: dict[str, str]
    """What it needs beside the common headers."""
    ledger: Path | None = None
    """Where it keeps its calls."""


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"cannot install {what}: {(done.stderr or done.stdout)[-1500:].strip()}")


def _uv() -> str:
    local = Path(".uv/bin/uv")
    found = shutil.which("uv") or (str(local) if local.exists() else None)
    if found is None:
        raise BenchError("uv is missing: run this by `make bench`, which installs it")
    return found


def _install_litellm(folder: Path) -> None:
    uv = _uv()
    overrides = folder.parent / "litellm-overrides.txt"
    overrides.write_text("\n".join(LITELLM_OVERRIDES) + "\n")
    _run([uv, "venv", "--quiet", "--clear", "--python", str(PYTHON), str(folder)], LITELLM)
    target = ["--python", str(folder / "bin/python"), "--override", str(overrides)]
    # Compiled ahead, it does not depend on who may write byte code when it starts.
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", *target]
    _run([*install, LITELLM, *LITELLM_COMPANIONS], LITELLM)


def _install_calculator(folder: Path) -> None:
    uv = _uv()
    _run([uv, "venv", "--quiet", "--clear", "--python", str(PYTHON), str(folder)], CALCULATOR)
    _run(
        [uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), CALCULATOR],
        CALCULATOR,
    )


def _install_portkey(folder: Path) -> None:
    npm = debian_command("npm", "nodejs", "npm")
    folder.mkdir(exist_ok=True)
    options = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    _run([npm, "install", *options, "--prefix", str(folder), PORTKEY], PORTKEY)


def install(name: str) -> None:
    """
    Put a peer into its own folder, unless the same version is there.

    Raises:
        BenchError: the registry or the installer refuses; its own words are in the text.
    """
    steps = {
        "litellm": (" ".join((LITELLM, *LITELLM_COMPANIONS)), _install_litellm),
        "portkey": (PORTKEY, _install_portkey),
        "openai-cost-calculator": (CALCULATOR, _install_calculator),
    }
    if name not in steps:
        return
    requirement, put = steps[name]
    PEERS.mkdir(exist_ok=True)
    stamp = PEERS / f"{name}.installed"
    if stamp.exists() and stamp.read_text() == requirement:
        return
    print(f"installing {requirement} …", file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    put(PEERS / name)
    stamp.write_text(requirement)


def version(name: str) -> str:
    """The version of a gateway as its own package says it."""
    if name == "portkey":
        package = PEERS / "portkey/node_modules/@portkey-ai/gateway/package.json"
        return str(msgspec.json.decode(package.read_bytes(), type=dict[str, object])["version"])
    own = ("modelmeter", "genai-prices")
    python = PYTHON if name in own else PEERS / name / "bin/python"
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextlib.contextmanager
def start_upstream(folder: Path) -> Iterator[tuple[str, int]]:
    """The instant upstream as a process of its own: its base URL and its process id."""
    port = free_port()
    log = folder / "upstream.log"
    command = [str(PYTHON), "-m", "bench.upstream", "--port", str(port)]
    with running(command, log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, f"{url}/calls", log)
        yield url, process.pid


@contextlib.contextmanager
def _litellm(upstream: str, folder: Path) -> Iterator[Gateway]:
    config = folder / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: {MODEL}
    litellm_params:
      model: openai/{MODEL}
      api_base: {upstream}/v1
      api_key: {UPSTREAM_KEY}
litellm_settings:
  set_verbose: false
"""
    )
    port = free_port()
    command = [str(PEERS / "litellm/bin/litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environment = clean_environment(
        LITELLM_LOG="ERROR",
        LITELLM_MODE="PRODUCTION",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_OFFLINE_MODE="true",
        LITELLM_TELEMETRY_DISABLED="true",
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
    )
    log = folder / "litellm.log"
    with running(command, log, environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, f"{url}/health/liveliness", log)
        yield Gateway("litellm", process.pid, f"{url}/v1/chat/completions", {})


@contextlib.contextmanager
def _portkey(upstream: str, folder: Path) -> Iterator[Gateway]:
    node = debian_command("node", "nodejs")
    server = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    port = free_port()
    command = [node, str(server), f"--port={port}", "--headless"]
    environment = clean_environment(NODE_ENV="production", TRUSTED_CUSTOM_HOSTS="127.0.0.1")
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1"}
    log = folder / "portkey.log"
    with running(command, log, environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url, log)
        yield Gateway("portkey", process.pid, f"{url}/v1/chat/completions", headers)


@contextlib.contextmanager
def _modelmeter(upstream: str, folder: Path) -> Iterator[Gateway]:
    port = free_port()
    ledger = folder / "ledger.db"
    config = folder / "modelmeter.toml"
    config.write_text(
        f"""listen = "127.0.0.1:{port}"
ledger = "{ledger}"

[providers.openai]
base_url = "{upstream}/v1"
api_key = "env:BENCH_PROVIDER_KEY"
"""
    )
    command = [str(PYTHON.parent / "modelmeter"), "serve", "--config", str(config)]
    log = folder / "modelmeter.log"
    environment = clean_environment(BENCH_PROVIDER_KEY=UPSTREAM_KEY)
    with running(command, log, environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, f"{url}/readyz", log)
        chat = f"{url}/openai/v1/chat/completions"
        yield Gateway("modelmeter", process.pid, chat, {}, ledger)


GATEWAYS = {"litellm": _litellm, "portkey": _portkey, "modelmeter": _modelmeter}
"""How each gateway is started."""


def start(name: str, upstream: str, folder: Path) -> contextlib.AbstractContextManager[Gateway]:
    """A gateway in front of ``upstream`` for as long as the block lasts; ready when it begins."""
    return GATEWAYS[name](upstream, folder)
