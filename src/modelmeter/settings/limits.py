"""Every bound of the running gateway: its name, unit, default and range."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Limits"]

_MIB = 1024 * 1024

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(ge=1, le=4096 * _MIB)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Limits(BaseModel):
    """The table ``[limits]`` of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes_max: Bytes = 32 * _MIB
    """A request's body; more is answered with 413."""
    header_count_max: Count = 100
    """A request's headers; more is answered with 431."""
    header_bytes_max: Bytes = 64 * 1024
    """Names and values of a request's headers together; more is answered with 431."""
    target_bytes_max: Bytes = 8 * 1024
    """A request's path and query; more is answered with 414."""
    header_timeout_seconds: Seconds = 10
    """From a request's first byte to the end of its head; then 408."""
    body_timeout_seconds: Seconds = 60
    """From the end of a request's head to the end of its body; then 408."""
    keep_alive_seconds: Seconds = 75
    """How long an idle connection of a caller is kept."""
    close_timeout_seconds: Seconds = 10
    """How long a caller may take to read an answer that was cut, or given amid its request."""
    connections_max: Count = 4096
    """Callers' connections at once; more are answered with 503."""
    wrong_keys_per_minute_max: Count = 60
    """Wrong gateway keys of one address; further ones are answered with 429 until a minute ends."""
    wrong_key_peers_max: Count = 10_000
    """Addresses whose wrong keys are counted at once; the earliest makes room."""
    upstream_connections_max: Count = 512
    """Connections to all providers together; further calls wait for one."""
    upstream_connect_timeout_seconds: Seconds = 10
    """To reach a provider."""
    upstream_first_byte_timeout_seconds: Seconds = 300
    """From a request to the head of its answer."""
    upstream_idle_timeout_seconds: Seconds = 120
    """Between two pieces of an answer."""
    upstream_total_timeout_seconds: Seconds = 900
    """A whole call."""
    retry_after_seconds_max: Seconds = 3600
    """The longest wait that a provider's Retry-After may tell a caller; a longer one is this."""
    budget_retry_after_seconds: Seconds = 2
    """
    When a call may be tried again whose room in a budget is only held for others; no later than
    the budget's window ends.
    """
    response_bytes_max: Bytes = 256 * _MIB
    """An answer; a longer one is cut."""
    drain_after_disconnect_seconds: Seconds = 30
    """How long an answer is read on for its usage after its caller has left."""
    drain_after_disconnect_bytes_max: Bytes = 8 * _MIB
    """How much of an answer is read on for its usage after its caller has left."""
    stream_tail_seconds: Seconds = 1.0
    """How long the end of the body is waited for after a stream's end mark."""
    shutdown_drain_seconds: Seconds = 25
    """How long running calls may go on after SIGTERM."""
    ledger_queue_max: Count = 10_000
    """Writes that wait for the ledger; further calls are answered with 503."""
    ledger_batch_max: Count = 256
    """Writes in one transaction."""
    ledger_wait_seconds: Seconds = 10
    """How long a call waits for its commit; then 503."""
    label_values_max: Count = 200
    """Distinct values of a metric's label; further ones are shown as ``other``."""
    label_value_bytes_max: Bytes = 128
    """A label's value; a longer one is shown as ``other``."""
    query_timeout_seconds: Seconds = 5
    """One answer of the JSON API from the ledger; then 503."""
    queries_at_once_max: Count = 2
    """Answers of the JSON API that are read from the ledger at the same time."""
    queries_waiting_max: Count = 100
    """Answers of the JSON API that are read or wait for their turn; further ones are 503."""
    viewers_max: Count = 200
    """Viewers who follow the figures at once; further ones are answered with 503."""
