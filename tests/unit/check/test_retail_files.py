"""The eight retail files: drafted, corrected and checked. Their items are those of an independent
reader."""

import json
from pathlib import Path

import pytest

from ingestion.sources.catalogue import Sources
from ingestion.sources.declaration import read_source
from tests.support.retail_corrections import corrected
from tests.support.retail_files import FILES
from tests.support.retail_items import retail_items
from tickets.check import rows
from tickets.check.check import check_file
from tickets.draft.draft import draft_source, match_pattern, source_name
from tickets.draft.sample import read_sample

REFUSED = {"monthly_report.csv": [(65, "Item", "missing_value")]}  # the total line


@pytest.mark.parametrize("name", FILES)
def test_a_drafted_file_has_the_items_of_an_independent_reader(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS_SHOWN", 1_000)
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    drafted = draft_source(read_sample(path), source_name(path), match_pattern(path)).declaration
    source = read_source(json.dumps(corrected(name, drafted)).encode(), "corrected.json")
    found = check_file(path, name, Sources(source, []), units_per_second=4_000)
    assert found.would_succeed, found.verdict
    refused = [(row.line, row.column, row.reason) for row in found.rows.shown]
    assert refused == REFUSED.get(name, [])
    assert found.may_have_totals is (name in REFUSED)
    items = {(item["ticket_id"]["S"], item["product"]["S"]): item for item in found.rows.examples}
    assert items == retail_items(name)
    assert len(items) == found.written
