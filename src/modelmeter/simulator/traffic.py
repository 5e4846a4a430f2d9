"""Live traffic: agents that call through a gateway as real programs do."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from functools import partial
from random import Random

import aiohttp

from modelmeter.simulator.agents import SimulatedAgent, demo_agents
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.history import PastCall, past_calls
from modelmeter.simulator.sdk_requests import draw_prompt, sdk_request

__all__ = ["PastCall", "SimulatedAgent", "TrafficGenerator", "demo_agents", "past_calls"]

CALLS_AT_ONCE_MAX = 64
"""Most calls that run at the same time; further ones wait."""

CALL_SECONDS_MAX = 120.0
"""A call that takes longer is given up."""

DRAIN_SECONDS_MAX = 5.0
"""How long running calls may go on once traffic stops."""

_ASKED_MAX = 20
"""Prompts of an agent that may come again."""

_CANCELLED_SHARE = 0.02
_FAILED_SHARE = 0.03
_FAILURES = (
    "status=429 retry_after=2",
    "status=429 retry_after=5",
    "error=overloaded",
    "status=500",
    "error=context_length",
    "cut_after_chunks=4",
)
_READ_BYTES = 64 * 1024
_log = logging.getLogger(__name__)


class TrafficGenerator:
    """
    Drives agents through a gateway at random moments (Poisson), repeatable by seed.

    ``rate`` multiplies every agent's calls a minute; ``key`` is the credential all of them send;
    ``repeated_share`` of an agent's calls ask what it asked lately. Some calls ask the simulator
    for a failure, and some streams are left in the middle.
    """

    def __init__(
        self,
        gateway_url: str,
        agents: Sequence[SimulatedAgent] | None = None,
        *,
        seed: int = 0,
        rate: float = 1.0,
        key: str = "sk-simulated",
        repeated_share: float = 0.0,
    ) -> None:
        self.sent = 0
        self.ok = 0
        self.failed = 0
        """Calls that were refused, broke off, or could not be made."""
        self.cancelled = 0
        """Streams that were left in the middle, on purpose or because traffic stopped."""
        self._url = gateway_url.rstrip("/")
        self._agents = tuple(agents or demo_agents())
        self._weights = [agent.calls_per_minute for agent in self._agents]
        self._calls_per_second = rate * sum(self._weights) / 60
        if self._calls_per_second <= 0:
            raise ValueError("traffic needs a rate above 0")
        self._random = seeded_random(seed)
        self._key = key
        self._repeated_share = repeated_share
        self._asked: defaultdict[str, deque[str]] = defaultdict(partial(deque, maxlen=_ASKED_MAX))
        """What each agent asked lately."""
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Call until ``stop`` is set, then let running calls end within a bound."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS_MAX)
        connector = aiohttp.TCPConnector(limit=CALLS_AT_ONCE_MAX)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            try:
                while not await _set_within(stop, self._random.expovariate(self._calls_per_second)):
                    if len(self._running) >= CALLS_AT_ONCE_MAX:
                        await asyncio.wait(self._running, return_when="FIRST_COMPLETED")
                    self._start_call(session)
                if self._running:
                    await asyncio.wait(self._running, timeout=DRAIN_SECONDS_MAX)
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    def _start_call(self, session: aiohttp.ClientSession) -> None:
        (agent,) = self._random.choices(self._agents, self._weights)
        task = asyncio.create_task(
            self._call(session, agent, seeded_random(self._random.getrandbits(64)))
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _prompt(self, agent: SimulatedAgent, random: Random) -> str:
        asked = self._asked[agent.agent_id]
        if asked and random.random() < self._repeated_share:
            return random.choice(asked)
        prompt = draw_prompt(agent, random)
        asked.append(prompt)
        return prompt

    async def _call(
        self, session: aiohttp.ClientSession, agent: SimulatedAgent, random: Random
    ) -> None:
        prompt = self._prompt(agent, random)
        if random.random() < _FAILED_SHARE:
            prompt = f"{prompt} [[simulate {random.choice(_FAILURES)}]]"
        leaves = agent.streamed and random.random() < _CANCELLED_SHARE
        request = sdk_request(agent, prompt, self._key)
        self.sent += 1
        try:
            async with session.post(
                self._url + request.path, data=request.body, headers=request.headers
            ) as response:
                async for _ in response.content.iter_chunked(_READ_BYTES):
                    if leaves:
                        response.close()
                        self.cancelled += 1
                        return
                good = response.status == 200
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.debug("call of %s failed: %s", agent.agent_id, error)
            good = False
        if good:
            self.ok += 1
        else:
            self.failed += 1


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
