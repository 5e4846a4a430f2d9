"""The page about refusals: a row for every code that the program refuses with, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from modelmeter import errors
from modelmeter.record import ErrorType

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "modelmeter"
PAGE = (ROOT / "docs" / "refusals.md").read_text()

ELSEWHERE = ("simulator", "sdk")
"""Providers that are simulated refuse like theirs, and SDKs in a program raise in that program."""
REFUSING = {"RefusedRequestError", "_refuse", "_RefusedHeadError", "_unavailable", "send_error"}
"""What is called with a refusal's code: as ``code``, or as its second argument."""
ANSWERED = (
    errors.BudgetExceededError,
    errors.ThrottledError,
    errors.UpstreamError,
    errors.LedgerError,
    errors.LedgerUnavailableError,
    errors.LedgerFormatError,
    errors.LedgerConflictError,
)
"""Errors whose own code is answered."""

ROW = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CODE = re.compile(r"[a-z]+(?:_[a-z]+)*")


def codes_of(tree: ast.AST) -> Iterator[str]:
    """The codes that a module refuses with."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called not in REFUSING:
            continue
        named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        given = named or ([] if called == "RefusedRequestError" else node.args[1:2])
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value
        if called == "RefusedRequestError" and not named:
            yield "invalid_request"


def answered() -> set[str]:
    """Every code that a caller may get."""
    found = {error.code for error in ANSWERED}
    for path in SOURCE.rglob("*.py"):
        if not set(ELSEWHERE) & set(path.parts):
            found |= set(codes_of(ast.parse(path.read_text())))
    return found


def rows() -> list[tuple[list[str], list[int], str]]:
    """The codes, statuses and text of each row."""
    return [
        (re.findall(r"`(\w+)`", codes), [int(one) for one in statuses.split(",")], text)
        for codes, statuses, text in ROW.findall(PAGE)
    ]


def test_every_code_has_one_row() -> None:
    told = [code for codes, _, _ in rows() for code in codes]

    assert len(told) == len(set(told))
    assert set(told) == answered()
    assert all(CODE.fullmatch(code) for code in told)


def test_a_row_has_one_status_or_one_for_each_code() -> None:
    for codes, statuses, text in rows():
        assert len(statuses) in (1, len(codes)), codes
        assert all(400 <= status < 600 for status in statuses)
        assert text.endswith((".", "):", ").")), codes


def test_the_error_types_that_the_page_names_exist() -> None:
    (sentence,) = re.findall(r"by its error type as in `llm_errors_total`: (.+)\.", PAGE)
    named = set(re.findall(r"`(\w+)`", sentence))

    # What a gateway refuses itself has codes of its own, and whoever left is told nothing.
    own = {ErrorType.BUDGET_EXCEEDED, ErrorType.THROTTLED, ErrorType.CANCELLED}
    assert named == {kind.value for kind in ErrorType} - own


def test_every_limit_that_the_page_names_is_a_setting() -> None:
    from modelmeter.settings.limits import Limits

    named = set(re.findall(r"`(\w+_(?:max|seconds))`", PAGE))

    assert {"connections_max", "body_timeout_seconds"} <= named
    assert named <= set(Limits.model_fields)
