"""Which team an agent belongs to."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from modelmeter.record.caller import UNKNOWN_AGENT, team_of_agent

__all__ = ["Teams"]


class Teams:
    """The table ``[teams]``; where it says nothing, what stands before an id's first dot."""

    def __init__(self, teams: Mapping[str, Sequence[str]]) -> None:
        self._teams = tuple((glob, team) for team, globs in teams.items() for glob in globs)

    def of(self, agent_id: str) -> str:
        """The team of an agent."""
        for glob, team in self._teams:
            if fnmatchcase(agent_id, glob):
                return team
        return team_of_agent(agent_id) or UNKNOWN_AGENT
