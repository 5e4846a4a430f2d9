"""Grafana: the LLM Usage Dashboard, its rules for Prometheus, and how they get there."""
