"""What a simulator tells of itself, under ``/simulator/``."""

import msgspec

from modelmeter.simulator.served import ServedLog

__all__ = ["control_reply"]


def control_reply(path: str, served: ServedLog) -> tuple[int, bytes]:
    """
    Give status and JSON of a page of the simulator's own.

    ``/simulator/served`` lists the calls; ``/simulator/sent/{id}`` tells what was sent, and
    ``/simulator/headers/{id}`` what came, for the id in an answer's body or in its headers.
    """
    match path.split("/")[2:]:
        case ["served"]:
            return 200, msgspec.json.encode(served.report())
        case ["sent", response_id]:
            call = served.find(response_id)
            report = call.sent_report() if call else None
        case ["headers", response_id]:
            call = served.find(response_id)
            report = call.request_report() if call else None
        case _:
            return 404, b'{"error": "no such page of the simulator"}'
    if report is None:
        return 404, b'{"error": "no such call is remembered"}'
    return 200, msgspec.json.encode(report)
