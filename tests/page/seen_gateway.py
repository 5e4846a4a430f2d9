"""A running gateway that tests look at: calls through it, and what its ledger holds."""

import json
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

from running import GatewayProcess

__all__ = ["PICO", "SeenGateway"]

PICO = 10**12


class SeenGateway:
    """A gateway process and its ledger's file."""

    def __init__(self, process: GatewayProcess, ledger: Path) -> None:
        self.process = process
        self.ledger = ledger

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.process.url

    def call(self, agent: str, prompt: str = "Hello", *, model: str = "gpt-4o-mini") -> str:
        """Make one call as an agent; its id, whatever its outcome."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        request = urllib.request.Request(
            f"{self.url}/openai/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={
                "authorization": "Bearer sk-simulated",
                "content-type": "application/json",
                "x-agent-id": agent,
            },
        )
        try:
            with urllib.request.urlopen(request) as response:
                response.read()
                headers = response.headers
        except urllib.error.HTTPError as error:
            headers = error.headers
        return str(headers["x-modelmeter-call-id"])

    def rows(self, statement: str, *parameters: object) -> list[tuple[int | str, ...]]:
        """What a statement reads in the ledger."""
        connection = sqlite3.connect(self.ledger)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()
