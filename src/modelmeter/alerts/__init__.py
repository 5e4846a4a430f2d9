"""Tells people what happened to a budget: notifications, and annotations in Grafana."""
