"""A metered request on its way to be admitted."""

import msgspec

from modelmeter.budgets.budget import Who
from modelmeter.budgets.contract import BoundRequest
from modelmeter.gateway.door import Door
from modelmeter.meter import CallOpening
from modelmeter.providers import RequestFacts

__all__ = ["Asked", "Told", "who_asks"]

Told = tuple[tuple[bytes, bytes], ...]
"""Headers for the caller."""


class Asked(msgspec.Struct, frozen=True):
    """A metered request as it would go upstream."""

    door: Door
    path: str
    body: bytes
    """The caller's own."""
    facts: RequestFacts
    opening: CallOpening
    told: Told = ()
    """What the caller is told with the answer."""
    final: bool = False
    """What is refused now is not made smaller and tried again."""

    def to_bound(self, at_ns: int) -> BoundRequest:
        """What bounds are made of."""
        return BoundRequest(
            provider=self.door.provider,
            kind=self.door.kind,
            operation=self.facts.operation,
            model=self.facts.model,
            body=self.facts.upstream_body,
            output_tokens_max=self.facts.output_tokens_max,
            at_ns=at_ns,
        )


def who_asks(opening: CallOpening) -> Who:
    """What the scopes of budgets and throttles look at."""
    caller = opening.caller
    return (
        caller.tenant_id,
        caller.team,
        caller.agent_id,
        caller.key_id,
        opening.provider,
        opening.model,
    )
