"""The meter: turns what happens to a call into its entry in the ledger."""

from modelmeter.meter.ending import Ending, Pricer, lost_call, refused_call
from modelmeter.meter.meter import CallOpening, Knows, Meter, OpenCall

__all__ = [
    "CallOpening",
    "Ending",
    "Knows",
    "Meter",
    "OpenCall",
    "Pricer",
    "lost_call",
    "refused_call",
]
