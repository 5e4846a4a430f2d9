"""Who made a call."""

import msgspec

__all__ = ["UNKNOWN_AGENT", "Caller", "team_of_agent"]

UNKNOWN_AGENT = "unknown"


class Caller(msgspec.Struct, frozen=True):
    """Tenant, team, agent and gateway key behind a call; empty where there is none."""

    agent_id: str = UNKNOWN_AGENT
    team: str = UNKNOWN_AGENT
    tenant_id: str = ""
    key_id: str = ""


def team_of_agent(agent_id: str) -> str:
    """The team an agent id names by itself: what stands before its first dot."""
    return agent_id.partition(".")[0]
