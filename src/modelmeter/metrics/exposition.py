"""Writes metrics as text: Prometheus' own format and OpenMetrics, straight from the series."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from prometheus_client.exposition import choose_encoder

from modelmeter.ledger.series import DEFAULT_TENANT, DOWN, FLOOR, REQUESTS, TENANT
from modelmeter.ledger.series_reader import SeriesRow, SeriesSnapshot
from modelmeter.metrics.names import (
    ACTIVE_REQUESTS,
    BUILD_INFO,
    CACHE_BYTES,
    CACHE_SIZE,
    COST_OVERSTATED,
    METRICS,
    Metric,
    ProcessSample,
)
from modelmeter.record import PICO_PER_USD

__all__ = ["Exposition"]

LABEL_TEXTS_MAX = 100_000
"""Rendered label sets kept between scrapes; the memory of them starts anew when it is full."""
_OTHER = "other"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_PICO_DIGITS = 12
_decode_labels = msgspec.json.Decoder(list[str]).decode

_NO_SIZES: Mapping[str, int] = {}

_LABELS = "\0"
"""Stands for the labels in a template."""


class Exposition:
    """
    Renders what a ledger holds.

    A counter or histogram born after the snapshot's ``shown_until_ns`` stands at 0.
    """

    def __init__(self, *, version: str) -> None:
        self._version = version
        self._texts: dict[tuple[tuple[str, ...], str], str] = {}

    def render(
        self,
        snapshot: SeriesSnapshot,
        accept: str,
        *,
        process: Sequence[ProcessSample] = (),
        cache_sizes: Mapping[str, int] = _NO_SIZES,
    ) -> tuple[bytes, str]:
        """The exposition and its content type, in the format that ``accept`` asks for."""
        content_type = _content_type(accept)
        open_metrics = content_type.startswith("application/openmetrics-text")
        until_ns = snapshot.shown_until_ns
        by_kind: defaultdict[str, list[SeriesRow]] = defaultdict(list)
        for row in snapshot.series:
            by_kind[row[0]].append(row)
        lines: list[str] = []
        for metric in METRICS:
            lines += _head(metric, open_metrics)
            rows = by_kind[metric.kind]
            if metric.type == "histogram":
                lines += self._histograms(metric, rows, by_kind[metric.sum_kind], until_ns)
            else:
                if metric.corrected and (down := by_kind[metric.kind + DOWN]):
                    rows = _shown(rows, down, by_kind[metric.kind + FLOOR])
                lines += self._plain(metric, rows, until_ns)
        lines += _head(COST_OVERSTATED, open_metrics)
        lines += self._overstated(by_kind, until_ns)
        lines += _head(ACTIVE_REQUESTS, open_metrics)
        lines += _active_requests(snapshot, by_kind[REQUESTS])
        usage = _cache_usage(by_kind[TENANT], snapshot.cache_usage, cache_sizes)
        for index, metric in enumerate((CACHE_SIZE, CACHE_BYTES)):
            lines += _head(metric, open_metrics)
            lines += _cache_gauge(metric, [(name, used[index]) for name, used in usage.items()])
        lines += _head(BUILD_INFO, open_metrics)
        lines.append(_sample(BUILD_INFO.name, _label_text(BUILD_INFO.labels, [self._version]), "1"))
        lines += _process_lines(process, open_metrics)
        if open_metrics:
            lines.append("# EOF")
        lines.append("")
        return "\n".join(lines).encode(), content_type

    def _plain(self, metric: Metric, rows: Iterable[SeriesRow], until_ns: int) -> Iterator[str]:
        held = metric.type == "counter"
        for _, labels, whole, pico, born_at_ns in rows:
            if metric.is_info:
                value = "1"
            elif held and born_at_ns > until_ns:
                value = "0"
            else:
                value = _number(whole, pico)
            yield _sample(metric.name, self._text(metric.labels, labels), value)

    def _overstated(self, by_kind: Mapping[str, list[SeriesRow]], until_ns: int) -> Iterator[str]:
        """For each label set that a correction ever took down; nothing while its cost is held."""
        kind = COST_OVERSTATED.kind
        down, floor = by_kind[kind + DOWN], by_kind[kind + FLOOR]
        if not down:
            return
        true_sums = _true_sums(by_kind[kind], down)
        held = {labels for _, labels, _, _, born_at_ns in by_kind[kind] if born_at_ns > until_ns}
        for _, labels, whole, pico, _ in floor:
            above = max(_amount(whole, pico) - true_sums.get(labels, 0), 0)
            if labels in held:
                above = 0
            text = self._text(COST_OVERSTATED.labels, labels)
            yield _sample(COST_OVERSTATED.name, text, _number(*divmod(above, PICO_PER_USD)))

    def _histograms(
        self, metric: Metric, buckets: Iterable[SeriesRow], sums: Iterable[SeriesRow], until_ns: int
    ) -> Iterator[str]:
        """The rows of one histogram hold the count in each bucket; here they are summed up."""
        counts: dict[str, list[int]] = {}
        born: dict[str, int] = {}
        for _, labels, whole, _, born_at_ns in buckets:
            group, _, index = labels.rpartition(",") if metric.labels else ("[", "", labels[1:])
            key = f"{group}]"
            if key not in counts:
                counts[key] = [0] * (len(metric.edges) + 1)
                born[key] = born_at_ns
            counts[key][int(index[1:-2])] = whole
            born[key] = min(born[key], born_at_ns)
        totals = {labels: (whole, pico) for _, labels, whole, pico, _ in sums}
        template = _histogram_template(metric)
        nothing = [0] * (len(metric.edges) + 1)
        for key, in_bucket in counts.items():
            shown, total = in_bucket, totals.get(key, (0, 0))
            if born[key] > until_ns:
                shown, total = nothing, (0, 0)
            cumulative = list(accumulate(shown))
            lines = template % (*cumulative, _number(*total), cumulative[-1])
            yield lines.replace(_LABELS, self._text(metric.labels, key))

    def _text(self, names: tuple[str, ...], labels: str) -> str:
        text = self._texts.get((names, labels))
        if text is None:
            if len(self._texts) >= LABEL_TEXTS_MAX:
                self._texts.clear()
            text = self._texts[names, labels] = _label_text(names, _decode_labels(labels))
        return text


def _content_type(accept: str) -> str:
    try:
        _, content_type = choose_encoder(accept)
    except TypeError:
        # It compares the parts of a version that are no numbers with numbers.
        _, content_type = choose_encoder("")
    return content_type


def _histogram_template(metric: Metric) -> str:
    """One histogram's lines: places for its numbers, and for its labels as often as they stand."""
    labels = _LABELS if metric.labels else ""
    front = f'{metric.name}_bucket{{{labels}{"," if labels else ""}le="'
    edges = [*(_edge(edge) for edge in metric.edges), "+Inf"]
    lines = [f'{front}{edge}"}} %d' for edge in edges]
    lines.append(_sample(f"{metric.name}_sum", labels, "%s"))
    lines.append(_sample(f"{metric.name}_count", labels, "%d"))
    return "\n".join(lines)


def _head(metric: Metric | ProcessSample, open_metrics: bool) -> list[str]:
    name = metric.name.removesuffix("_total") if open_metrics else metric.name
    lines = [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.type}"]
    if open_metrics and isinstance(metric, Metric) and metric.unit:
        lines.insert(1, f"# UNIT {name} {metric.unit}")
    return lines


def _shown(
    rows: Iterable[SeriesRow], down: Iterable[SeriesRow], floor: Iterable[SeriesRow]
) -> list[SeriesRow]:
    """Rows of a counter that never goes down: its true sum, or what it showed before that fell."""
    rows = list(rows)
    true_sums = _true_sums(rows, down)
    floors = {labels: _amount(whole, pico) for _, labels, whole, pico, _ in floor}
    return [
        (kind, labels, *divmod(max(true_sums[labels], floors.get(labels, 0)), PICO_PER_USD), born)
        for kind, labels, _, _, born in rows
    ]


def _true_sums(rows: Iterable[SeriesRow], down: Iterable[SeriesRow]) -> dict[str, int]:
    sums = {labels: _amount(whole, pico) for _, labels, whole, pico, _ in rows}
    for _, labels, whole, pico, _ in down:
        sums[labels] = sums.get(labels, 0) - _amount(whole, pico)
    return sums


def _amount(whole: int, pico: int) -> int:
    return whole * PICO_PER_USD + pico


def _active_requests(snapshot: SeriesSnapshot, requests: Iterable[SeriesRow]) -> Iterator[str]:
    """Calls under way; 0 for every agent and provider that ever had one."""
    active: dict[tuple[str, str], int] = {}
    for _, labels, _, _, _ in requests:
        agent, _, provider, _ = _decode_labels(labels)
        active[agent, provider] = 0
    for agent, provider, count in snapshot.open_calls:
        shown = agent if agent in snapshot.agents else _OTHER
        active[shown, provider] = active.get((shown, provider), 0) + count
    for (agent, provider), count in active.items():
        text = _label_text(ACTIVE_REQUESTS.labels, [agent, provider])
        yield _sample(ACTIVE_REQUESTS.name, text, str(count))


def _cache_usage(
    tenants: Iterable[SeriesRow], usage: Mapping[str, tuple[int, int]], told: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Answers and bytes in caches; 0 for every tenant that ever called."""
    shown = {tenant: (0, 0) for (tenant,) in (_decode_labels(row[1]) for row in tenants)}
    for tenant, (answers, size) in usage.items():
        name = tenant if tenant in shown else _OTHER
        before = shown.get(name, (0, 0))
        shown[name] = (before[0] + answers, before[1] + size)
    for tenant, answers in told.items():
        shown[tenant] = (answers, shown.get(tenant, (0, 0))[1])
    return shown


def _cache_gauge(metric: Metric, values: Iterable[tuple[str, int]]) -> Iterator[str]:
    for tenant, value in values:
        text = _label_text(metric.labels, [tenant or DEFAULT_TENANT])
        yield _sample(metric.name, text, str(value))


def _process_lines(samples: Iterable[ProcessSample], open_metrics: bool) -> Iterator[str]:
    previous = ""
    for sample in samples:
        if sample.name != previous:
            yield from _head(sample, open_metrics)
            previous = sample.name
        names = tuple(name for name, _ in sample.labels)
        text = _label_text(names, [value for _, value in sample.labels])
        yield _sample(sample.name, text, f"{sample.value}")


def _label_text(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)
    )


def _sample(name: str, labels: str, value: str) -> str:
    return f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _number(whole: int, pico: int) -> str:
    """An exact decimal; both formats take it."""
    if not pico:
        return str(whole)
    return f"{whole}.{pico:0{_PICO_DIGITS}d}".rstrip("0")


def _edge(edge: float) -> str:
    """OpenMetrics wants bucket edges as floats: https://prometheus.io/docs/specs/om/open_metrics_spec/."""
    return repr(float(edge))
