"""``python -m bench``: modelmeter beside LiteLLM's proxy and Portkey's gateway, in one run."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from bench.peers import GATEWAYS, PEERS, install
from bench.processes import BenchError, debian_command
from bench.run import Plan, measure
from bench.table import render

RESULTS = Path(__file__).parent / "RESULTS.md"

INTRODUCTION = """\
# Speed beside LiteLLM's proxy and Portkey's gateway

Written by `make bench`: one run, one machine, all gateways in front of the same upstream, which
answers a chat completion at once ([upstream.py](upstream.py)). The load generator, the upstream
and the gateway share the machine's cores, for each gateway alike. "Added" is what a gateway adds
to the same call sent to the upstream directly in the same run.

- Each gateway is one process (`workers = 1`, `--num_workers 1`, one Node.js process), asks its
  callers for no key, writes no debug output and sends no telemetry.
- **modelmeter** meters, prices and keeps every call: intent and outcome each committed to SQLite
  with `synchronous=FULL`, `/metrics` and reports on.
- **LiteLLM** has no database here, so it keeps no call. It runs with what makes it faster than its
  own defaults (see `LITELLM_COMPANIONS` in [peers.py](peers.py)).
- **Portkey's** open gateway keeps no call and prices none.
- A step with any answer but 200, or with fewer calls at the upstream than answers, fails.
- Delays are wrk's, which corrects them for calls that a slow answer held back.
"""


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - GATEWAYS.keys():
        raise argparse.ArgumentTypeError(
            f"no gateway {', '.join(sorted(unknown))}; there are {', '.join(GATEWAYS)}"
        )
    return names


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(number) for number in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("at least 1 connection")
    return numbers


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--gateways", type=_names, default=tuple(GATEWAYS), help="comma-separated")
    parser.add_argument("--connections", type=_numbers, default=(1, 32, 128))
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measured step")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before each step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--print-only", action="store_true", help=f"leave {RESULTS.name} as it is")
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A polite end ends the started programs as well."""
    raise KeyboardInterrupt


def main() -> int:
    """Install, measure, print; write the results if every gateway took part and none failed."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    plan = Plan(
        gateways=arguments.gateways,
        connections=arguments.connections,
        seconds=arguments.seconds,
        warmup_seconds=arguments.warmup,
        rounds=max(1, arguments.rounds),
        wrk=debian_command("wrk", "wrk"),
        node=debian_command("node", "nodejs") if "portkey" in arguments.gateways else None,
    )
    for name in plan.gateways:
        install(name)
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=PEERS) as folder:
        result = measure(plan, Path(folder))
    text = render(result)
    print(text)
    complete = set(plan.gateways) == set(GATEWAYS) and not result.faults
    if complete and not arguments.print_only:
        RESULTS.write_text(INTRODUCTION + text)
    return 1 if result.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as fault:
        sys.exit(f"bench: {fault}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
