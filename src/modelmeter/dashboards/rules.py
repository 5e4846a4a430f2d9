"""The rules for Prometheus, as a file of its own and as a resource for Kubernetes."""

from importlib.resources import files
from typing import Final

__all__ = ["kubernetes_rules", "rules_text"]

_FILE: Final = "prometheus_rules.yml"
_RUNBOOKS: Final = "docs/runbooks/"
_GROUPS: Final = "groups:\n"
_RESOURCE: Final = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: modelmeter
  labels:
    app.kubernetes.io/name: modelmeter
spec:
"""


def rules_text(runbooks_url: str = "") -> str:
    """The rules as YAML; their runbooks under ``runbooks_url``, else as paths in the repository."""
    text = (files("modelmeter.dashboards") / _FILE).read_text()
    return text.replace(_RUNBOOKS, f"{runbooks_url.rstrip('/')}/") if runbooks_url else text


def kubernetes_rules(rules: str) -> str:
    """The same rules as a PrometheusRule, for the Prometheus operator."""
    comment, groups, rest = rules.partition(_GROUPS)
    indented = "".join(f"  {line}" if line.strip() else line for line in rest.splitlines(True))
    return f"{comment}{_RESOURCE}  {groups}{indented}"
