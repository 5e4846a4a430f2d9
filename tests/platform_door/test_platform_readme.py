"""The document beside the platform's modules runs as it is written."""

import re
from pathlib import Path

import pytest
from fresh_process import fresh_process  # noqa: F401 - a fixture

import backend.core.llm

README = Path(backend.core.llm.__file__).with_name("README.md")


@pytest.mark.usefixtures("fresh_process")
def test_every_python_block_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """And says what was spent."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks

    for block in blocks:
        exec(block, {})

    assert "{'meetmind.coordinator': 0.015}" in capsys.readouterr().out
