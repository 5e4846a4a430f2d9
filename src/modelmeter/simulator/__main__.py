"""Runs a simulator as a process: ``python -m modelmeter.simulator --port 0 --seed 7``."""

import sys

from modelmeter.simulator.server import main

sys.exit(main())
