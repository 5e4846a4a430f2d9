"""The page's own files: small modules that a reader understands, and nothing that a strict policy
forbids."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

PAGE = Path(str(files("modelmeter.web").joinpath("page")))
SOURCES = sorted(file for file in PAGE.rglob("*") if file.is_file())
SCRIPTS = [file for file in SOURCES if file.suffix == ".js"]
LINES_MAX = 400
LINE_LENGTH_MAX = 120
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|"
    r"setAttribute\(\"(?:style|on)|\bhttps?://(?!www\.w3\.org/2000/svg)"
)


def name_of(file: Path) -> str:
    return str(file.relative_to(PAGE))


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_a_file_is_small_and_as_it_was_written(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= LINE_LENGTH_MAX


@pytest.mark.parametrize("file", SCRIPTS, ids=name_of)
def test_a_script_makes_no_markup_of_text_and_asks_nobody_else(file: Path) -> None:
    assert FORBIDDEN.findall(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=name_of)
def test_what_a_script_imports_is_there_and_is_used(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    for names, path in IMPORT.findall(text):
        exported = EXPORT.findall((file.parent / path).read_text(encoding="utf-8"))
        for imported in filter(str.strip, names.split(",")):
            original, _, alias = imported.strip().partition(" as ")
            assert original in exported
            assert len(re.findall(rf"\b{alias or original}\b", text)) > 1, original


def test_everything_a_script_exports_is_imported_somewhere() -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in SCRIPTS}
    wanted = {
        (file.parent.joinpath(path).resolve(), imported.strip().partition(" as ")[0])
        for file, text in texts.items()
        for names, path in IMPORT.findall(text)
        for imported in names.split(",")
    }

    unused = [
        (name_of(file), name)
        for file, text in texts.items()
        for name in EXPORT.findall(text)
        if (file, name) not in wanted
    ]
    assert unused == []


def test_the_document_has_no_script_or_style_of_its_own() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text) == []
    assert set(re.findall(r'(?:src|href)="(/[^/"]*)', text)) == {"/assets"}
