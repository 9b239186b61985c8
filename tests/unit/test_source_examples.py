"""docs/sources.md is true: every example on the page is read by the functions' own code.

An example is a `json` block with a declaration, a `csv` block with a file, and a `text` block with
what becomes of its rows: those that are written, in order, and those that are refused.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.csv_files.rows import SOURCE_REASONS
from ingestion.sources.catalogue import BUNDLED, Sources
from ingestion.sources.declaration import read_source
from tickets.check.check import Checked, check_file

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"^```json\n(?P<declaration>.*?)^```\n```csv\n(?P<file>.*?)^```\n```text\n(?P<outcome>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
VALUE = re.compile(r'(\w+) = ("(?:[^"\\]|\\.)*"|-?[0-9.]+|true|false)(?:, |$)')


def examples() -> list[Any]:
    return [
        pytest.param(*match.groups(), id=f"line {PAGE.count(chr(10), 0, match.start()) + 1}")
        for match in EXAMPLE.finditer(PAGE)
    ]


def checked(declaration: str, file: str, folder: Path) -> Checked:
    source = read_source(declaration.encode(), "example.json")
    path = folder / "example.csv"
    path.write_bytes(file.encode(source.encoding))
    return check_file(path, path.name, Sources(source, []), units_per_second=1)


def said(outcome: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line of an outcome: its words, and the values that it names."""
    for line in outcome.splitlines():
        words, _, values = line.partition("written, ")
        if values:
            yield "written", {name: json.loads(value) for name, value in VALUE.findall(values)}
        else:
            yield words, {}


def plain(value: dict[str, Any]) -> Any:
    """An attribute's value as the page writes it."""
    [(kind, content)] = value.items()
    return float(content) if kind == "N" else content


@pytest.mark.parametrize(("declaration", "file", "outcome"), examples())
def test_example(declaration: str, file: str, outcome: str, tmp_path: Path) -> None:
    found = checked(declaration, file, tmp_path)
    assert found.file, found.verdict
    lines = list(said(outcome))
    refused = [
        f"line {row.line}: refused, {f'{row.column}: ' if row.column else ''}{row.reason}"
        for row in sorted(found.rows.shown)
    ]
    assert [line for line, _ in lines if line != "written"] == refused
    named = [values for line, values in lines if line == "written"]
    items = [{name: plain(value) for name, value in item.items()} for item in found.rows.examples]
    assert len(items) == len(named) == found.rows.accepted
    for item, values in zip(items, named, strict=True):
        assert {name: item.get(name) for name in values} == values


def test_the_page_has_an_example_of_each_kind() -> None:
    assert len(examples()) >= 6


def test_the_first_file_of_the_page_is_the_example_below_it() -> None:
    """The file of the introduction, which has no language."""
    [first] = re.findall(r"^```\n(Bon-Nr;.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert examples()[0].values[1].startswith(first)


def test_every_property_that_can_be_declared_is_on_the_page() -> None:
    schema = json.loads((BUNDLED / "source-1.schema.json").read_text())
    names = set(_property_names(schema))
    assert "headerNames" in names
    missing = [name for name in names if not re.search(rf"[`.\"]{re.escape(name)}\b", PAGE)]
    assert missing == []


def test_every_reason_of_declared_sources_is_on_the_page() -> None:
    assert [reason for reason in SOURCE_REASONS if f"`{reason}`" not in PAGE] == []


def _property_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from (name for name in schema["properties"] if not name.startswith("$"))
        for value in schema.values():
            yield from _property_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _property_names(value)
