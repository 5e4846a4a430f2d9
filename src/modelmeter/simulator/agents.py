"""A dozen agents of four teams and two tenants, as a demo platform runs them."""

from typing import Literal

import msgspec

from modelmeter.record import Caller, Operation

__all__ = ["PromptStyle", "SimulatedAgent", "demo_agents"]

PromptStyle = Literal["conversation", "code", "document", "tools", "json", "embedding"]


class SimulatedAgent(msgspec.Struct, frozen=True):
    """One agent and the calls it makes."""

    tenant_id: str
    team: str
    agent_id: str
    provider: str
    operation: Operation
    model: str
    streamed: bool
    calls_per_minute: float
    """On average, in live traffic; in history the shares of agents are the same."""
    style: PromptStyle

    @property
    def caller(self) -> Caller:
        """The agent as a record names it."""
        return Caller(agent_id=self.agent_id, team=self.team, tenant_id=self.tenant_id)


def demo_agents() -> tuple[SimulatedAgent, ...]:
    """Give the agents of the demo; every model has a public price."""
    return _AGENTS


def _agent(
    tenant_and_name: str,
    provider: str,
    operation: Operation,
    model: str,
    calls_per_minute: float,
    style: PromptStyle,
    *,
    streamed: bool = False,
) -> SimulatedAgent:
    tenant_id, _, agent_id = tenant_and_name.partition("/")
    return SimulatedAgent(
        tenant_id=tenant_id,
        team=agent_id.partition(".")[0],
        agent_id=agent_id,
        provider=provider,
        operation=operation,
        model=model,
        streamed=streamed,
        calls_per_minute=calls_per_minute,
        style=style,
    )


_AGENTS = (
    _agent(
        "acme/meetmind.coordinator",
        *("openai", Operation.CHAT, "gpt-4o", 14.0, "conversation"),
        streamed=True,
    ),
    _agent(
        "acme/meetmind.summarizer",
        *("anthropic", Operation.MESSAGES, "claude-sonnet-4-6", 8.0, "document"),
        streamed=True,
    ),
    _agent(
        "acme/meetmind.minutes",
        *("bedrock", Operation.INVOKE_MODEL, "anthropic.claude-3-5-sonnet-20240620-v1:0", 5.0),
        "conversation",
        streamed=True,
    ),
    _agent(
        "acme/finpilot.analyst",
        *("openai", Operation.RESPONSES, "gpt-5-mini", 6.0, "conversation"),
        streamed=True,
    ),
    _agent(
        "acme/finpilot.invoices",
        *("genai", Operation.GENERATE_CONTENT, "gemini-2.5-flash", 12.0, "json"),
    ),
    _agent(
        "acme/finpilot.risk",
        *("bedrock", Operation.CONVERSE, "us.amazon.nova-pro-v1:0", 6.0, "conversation"),
    ),
    _agent(
        "globex/supportbot.triage",
        *("openai", Operation.CHAT, "gpt-4o-mini", 22.0, "tools"),
    ),
    _agent(
        "globex/supportbot.answer",
        *("anthropic", Operation.MESSAGES, "claude-haiku-4-5", 16.0, "conversation"),
        streamed=True,
    ),
    _agent(
        "globex/supportbot.lookup",
        *("openai", Operation.EMBEDDINGS, "text-embedding-3-small", 30.0, "embedding"),
    ),
    _agent(
        "globex/supportbot.translate",
        *("bedrock", Operation.CONVERSE, "amazon.nova-lite-v1:0", 9.0, "conversation"),
        streamed=True,
    ),
    _agent(
        "globex/research.reader",
        *("genai", Operation.GENERATE_CONTENT, "gemini-2.5-pro", 4.0, "document"),
        streamed=True,
    ),
    _agent(
        "globex/research.coder",
        *("openai", Operation.CHAT, "gpt-4.1", 5.0, "code"),
        streamed=True,
    ),
)
