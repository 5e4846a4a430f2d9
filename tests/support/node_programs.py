"""The Node.js packages that hold published types and schemas, installed by `make servers`."""

import json
import subprocess
from pathlib import Path

from dashboard_queries import Json

__all__ = ["GRAFANA_TYPES", "resource_errors", "type_errors"]

GRAFANA_TYPES = Path(__file__).parents[1] / "dashboards" / "grafana_types"

_OPTIONS = {
    "stat": ("stat/panelcfg/x/StatPanelCfg_types.gen", "{}"),
    "timeseries": ("timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen", "FieldConfig"),
    "piechart": ("piechart/panelcfg/x/PieChartPanelCfg_types.gen", "FieldConfig"),
    "barchart": ("barchart/panelcfg/x/BarChartPanelCfg_types.gen", "FieldConfig"),
    "bargauge": ("bargauge/panelcfg/x/BarGaugePanelCfg_types.gen", "{}"),
    "table": ("table/panelcfg/x/TablePanelCfg_types.gen", "FieldConfig"),
}
_HEAD = """
import type {
  AnnotationQuery, Dashboard, DataQuery, FieldConfig, RowPanel, VariableModel,
} from '@grafana/schema';
import type { Panel } from '@grafana/schema';

// JSON holds the values of enumerations, not their members.
type Plain<T> =
  T extends string ? `${T}` :
  T extends (infer E)[] ? Plain<E>[] :
  T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

interface PromQuery extends DataQuery {
  expr: string; format?: 'time_series' | 'table' | 'heatmap'; instant?: boolean; range?: boolean;
  interval?: string; legendFormat?: string; editorMode?: 'code' | 'builder';
}
type Field<C> = Omit<Plain<FieldConfig>, 'custom'> & { custom?: Plain<C> };
type OnePanel<O, C> = Omit<Plain<Panel>, 'options' | 'targets' | 'fieldConfig'> & {
  options: Plain<O>; targets: Plain<PromQuery>[];
  fieldConfig: { defaults: Field<C>; overrides: [] };
};
interface PrometheusAnnotation extends AnnotationQuery {
  expr?: string; step?: string; titleFormat?: string; textFormat?: string; tagKeys?: string;
  useValueForTime?: boolean;
  target?: DataQuery & {
    expr?: string; interval?: string; instant?: boolean; range?: boolean;
    limit?: number; matchAny?: boolean; tags?: string[]; type?: string;
  };
}
interface QueryVariable extends VariableModel { definition?: string }
type Frame = Omit<Plain<Dashboard>, 'panels' | 'annotations' | 'templating'>;
"""


def type_errors(dashboard: Json, folder: Path) -> list[str]:
    """What Grafana's own types have against a bare dashboard."""
    return _compiled(_source(dashboard), folder)


def resource_errors(resources: list[Json], folder: Path) -> list[str]:
    """What Kubernetes' published schemas and types have against some resources."""
    checked = subprocess.run(
        ["node", str(GRAFANA_TYPES / "validate.mjs")],
        input=json.dumps(resources),
        capture_output=True,
        text=True,
        check=True,
    )
    # The schemas let unknown fields pass, the types do not.
    lines = []
    for number, resource in enumerate(resources):
        version, kind = resource["apiVersion"], resource["kind"]
        operator = version.startswith("monitoring.coreos.com/")
        package = "@kubernetes-models/prometheus-operator" if operator else "kubernetes-models"
        lines.append(f"import type {{ I{kind} }} from '{package}/{version}/{kind}';")
        lines.append(_constant(f"resource{number}", f"I{kind}", resource))
    return checked.stdout.splitlines() + _compiled("\n".join(lines), folder)


def _compiled(source: str, folder: Path) -> list[str]:
    """The compiler's lines about a file made in `folder`."""
    (folder / "check.ts").write_text(source)
    (folder / "tsconfig.json").write_text(
        json.dumps({"extends": str(GRAFANA_TYPES / "tsconfig.json"), "files": ["check.ts"]})
    )
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(GRAFANA_TYPES / "node_modules")
    compiler = GRAFANA_TYPES / "node_modules/.bin/tsc"
    done = subprocess.run(
        [str(compiler), "--project", str(folder), "--pretty", "false"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    if done.returncode and not lines:
        raise RuntimeError(f"tsc ended with {done.returncode}")
    return lines


def _source(dashboard: Json) -> str:
    parts = [_HEAD]
    for kind, (module, custom) in _OPTIONS.items():
        names = f"Options as {kind}Options"
        if custom == "FieldConfig":
            names += f", FieldConfig as {kind}Field"
        else:
            parts.append(f"type {kind}Field = Record<string, never>;")
        parts.append(
            f"import type {{ {names} }} from '@grafana/schema/dist/esm/raw/composable/{module}';"
        )
    frame = {
        key: value
        for key, value in dashboard.items()
        if key not in ("panels", "annotations", "templating")
    }
    parts.append(_constant("frame", "Frame", frame))
    for number, panel in enumerate(dashboard["panels"]):
        kind = panel["type"]
        typed = "Plain<RowPanel>" if kind == "row" else f"OnePanel<{kind}Options, {kind}Field>"
        parts.append(_constant(f"panel{number}", typed, panel))
    for number, one in enumerate(dashboard["annotations"]["list"]):
        parts.append(_constant(f"annotation{number}", "Plain<PrometheusAnnotation>", one))
    for number, one in enumerate(dashboard["templating"]["list"]):
        parts.append(_constant(f"variable{number}", "Plain<QueryVariable>", one))
    return "\n".join(parts)


def _constant(name: str, typed: str, value: object) -> str:
    return f"export const {name}: {typed} = {json.dumps(value, indent=1)};"
