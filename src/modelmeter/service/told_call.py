"""The record of a call that its program tells of after it was made."""

from modelmeter.record import (
    Call,
    Caller,
    CostState,
    Intent,
    Operation,
    PicoUsd,
    Status,
    TokenCounts,
    new_call_id,
)

__all__ = ["told_call"]


def told_call(
    caller: Caller,
    model: str,
    provider: str,
    *,
    started_at_ns: int,
    tokens: TokenCounts,
    cost: PicoUsd,
) -> Call:
    """A call that succeeded, as far as its program told of it."""
    call_id = new_call_id(started_at_ns)
    intent = Intent(
        id=call_id,
        request_id=call_id,
        attempt=0,
        started_at_ns=started_at_ns,
        caller=caller,
        provider=provider,
        operation=Operation.CHAT,
        model=model,
        streamed=False,
        input_bytes=0,
        output_tokens_max=None,
    )
    return Call(
        intent=intent,
        status=Status.SUCCESS,
        tokens=tokens,
        cost=cost,
        cost_state=CostState.PRICED,
    )
