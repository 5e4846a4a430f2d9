"""What is written for Prometheus: exact text, both formats, held births, hostile labels."""

import subprocess

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from modelmeter.ledger.series_reader import SeriesRow, SeriesSnapshot
from modelmeter.metrics import Exposition, ProcessSample

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
BORN_NS = 1_000_000_000_000

TOP_TABLE = {
    "llm_requests": "counter",
    "llm_tokens_used": "counter",
    "llm_cache_hits": "counter",
    "llm_cache_misses": "counter",
    "llm_errors": "counter",
    "llm_cost": "counter",
    "llm_request_duration_seconds": "histogram",
    "llm_active_requests": "gauge",
    "llm_cache_size": "gauge",
}

HOSTILE = 'quote" back\\slash\nline'

SERIES: list[SeriesRow] = [
    ("cost", '["a.b","m","openai"]', 17, 990_000_000_000, BORN_NS),
    ("cost", '["a.b","n","openai"]', 0, 1, BORN_NS),
    ("duration_bucket", '["a.b","m","openai","11"]', 2, 0, BORN_NS),
    ("duration_bucket", '["a.b","m","openai","22"]', 1, 0, BORN_NS + 1),
    ("duration_sum", '["a.b","m","openai"]', 718, 500_000_000_000, BORN_NS),
    ("overhead_bucket", '["0"]', 3, 0, BORN_NS),
    ("overhead_sum", "[]", 0, 900_000_000, BORN_NS),
    ("requests", '["a.b","m","openai","success"]', 3, 0, BORN_NS),
    ("requests", '["quote\\" back\\\\slash\\nline","m","openai","success"]', 1, 0, BORN_NS),
    ("agent_info", '["a.b","a"]', 0, 0, BORN_NS),
    ("tenant", '[""]', 0, 0, BORN_NS),
]


def render(
    series: list[SeriesRow] = SERIES,
    shown_until_ns: int = BORN_NS,
    accept: str = "",
    open_calls: list[tuple[str, str, int]] | None = None,
) -> str:
    """The exposition of some series."""
    snapshot = SeriesSnapshot(
        series=series,
        open_calls=open_calls or [],
        agents=frozenset({"a.b"}),
        shown_until_ns=shown_until_ns,
    )
    process = [ProcessSample("modelmeter_test_total", "counter", "A test.", 4)]
    body, _ = Exposition(version="1").render(snapshot, accept, process=process)
    return body.decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Values by name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_promised_metric_is_there_even_without_a_call() -> None:
    families = {
        family.name: family.type for family in parser.text_string_to_metric_families(render([]))
    }

    assert TOP_TABLE.items() <= families.items()


@pytest.mark.parametrize(("series"), [[], SERIES])
def test_promtool_finds_no_fault(series: list[SeriesRow]) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=render(series).encode(),
        capture_output=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_money_is_written_exactly() -> None:
    text = render()

    assert 'llm_cost_total{agent_id="a.b",model="m",provider="openai"} 17.99\n' in text
    assert 'llm_cost_total{agent_id="a.b",model="n",provider="openai"} 0.000000000001\n' in text


def test_a_young_counter_is_shown_at_zero() -> None:
    labels = (("agent_id", "a.b"), ("model", "m"), ("provider", "openai"))

    assert samples(render(shown_until_ns=BORN_NS - 1))["llm_cost_total", labels] == 0
    assert samples(render(shown_until_ns=BORN_NS))["llm_cost_total", labels] == 17.99


def test_a_histogram_is_held_by_its_oldest_bucket_and_sums_up() -> None:
    labels = {"agent_id": "a.b", "model": "m", "provider": "openai"}

    def bucket(shown_until_ns: int, edge: str) -> float:
        key = tuple(sorted({**labels, "le": edge}.items()))
        return samples(render(shown_until_ns=shown_until_ns))[
            "llm_request_duration_seconds_bucket", key
        ]

    assert [bucket(BORN_NS - 1, edge) for edge in ("7.5", "10.0", "600.0", "+Inf")] == [0] * 4
    assert [bucket(BORN_NS, edge) for edge in ("7.5", "10.0", "600.0", "+Inf")] == [0, 2, 2, 3]
    read = samples(render())
    key = tuple(sorted(labels.items()))
    assert read["llm_request_duration_seconds_sum", key] == 718.5
    assert read["llm_request_duration_seconds_count", key] == 3


def test_active_requests_of_capped_agents_are_shown_as_other() -> None:
    read = samples(
        render(open_calls=[("a.b", "openai", 2), ("new", "genai", 1), ("x", "genai", 1)])
    )

    def active(agent: str, provider: str) -> float:
        return read["llm_active_requests", (("agent_id", agent), ("provider", provider))]

    assert (active("a.b", "openai"), active("other", "genai"), active(HOSTILE, "openai")) == (
        2,
        2,
        0,
    )


def test_the_tenant_without_a_name_has_one_in_labels() -> None:
    assert samples(render())["llm_cache_size", (("tenant_id", "default"),)] == 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8"),
        ("text/plain;version=newest", "text/plain; version=0.0.4; charset=utf-8"),
        (OPEN_METRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=newest", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_text_is_of_the_version_that_was_asked_for(accept: str, content_type: str) -> None:
    snapshot = SeriesSnapshot(SERIES, [], frozenset(), BORN_NS)

    body, told = Exposition(version="1").render(snapshot, accept)

    assert told.removesuffix("; escaping=underscores") == content_type
    assert body.endswith(b"# EOF\n") == told.startswith("application/openmetrics-text")


def test_open_metrics_is_valid_and_says_the_same() -> None:
    text = render(accept=OPEN_METRICS)

    families = list(
        openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # theirs
    )
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }

    assert text.endswith("# EOF\n")
    assert values == samples(render())
