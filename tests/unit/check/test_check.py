"""What `tickets check` finds in a file: the counts of a load, without a stack."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from ingestion.sources.catalogue import Sources
from ingestion.sources.declaration import read_source
from tickets import TEMPLATE
from tickets.check import check
from tickets.check.check import Checked, check_file
from tickets.runs.sources import find_sources
from tickets.sample import HEADER as NAMES
from tickets.sample import write_sample

KNOWN = find_sources()
HEADER = f"{NAMES}\n"
GOOD = "T{},Soap,B1,2026-03-01T12:00Z,Home,1,Lyon\n"


def checked(path: Path, sources: Sources = KNOWN) -> Checked:
    return check_file(path, path.name, sources, units_per_second=4_000)


def written(text: str, folder: Path) -> Path:
    path = folder / "week.csv"
    path.write_bytes(text.encode())
    return path


def test_the_counts_are_those_of_a_load(tmp_path: Path) -> None:
    made = write_sample(tmp_path / "sample.csv", 3_000, 7)
    found = checked(made.path)
    assert found.would_succeed
    assert found.file
    assert (found.rows.read, found.rows.refused) == (made.rows, made.bad_rows)
    assert found.superseded == made.repeated_rows
    assert found.written == made.rows - made.bad_rows - made.repeated_rows
    assert found.rows.lines == made.path.read_bytes().count(b"\n")
    assert found.chunks == 1


def test_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither do the processes that read them: rows with equal keys are in different chunks."""
    made = write_sample(tmp_path / "sample.csv", 3_000, 7)
    with made.path.open("ab") as file:
        file.write(b"".join(made.path.read_bytes().splitlines(keepends=True)[1:200]))
        file.write(GOOD.format(" 9 ").replace("T 9", " T9").encode())
    whole = checked(made.path)
    monkeypatch.setattr(check, "CHUNK_SIZE", 64 * 1024)
    cut = checked(made.path)
    assert cut.chunks > 3
    assert cut.largest_chunk < 80 * 1024
    assert replace(cut.rows, distinct=0) == replace(whole.rows, distinct=0)
    assert cut.rows.warnings["blank_around_key"].line == cut.rows.lines
    assert cut.superseded == whole.superseded > 150
    lines = made.path.read_bytes().split(b"\n")
    assert cut.equal_rows
    for one in cut.equal_rows:
        assert lines[one.line - 1][:10] == lines[one.later_line - 1][:10]  # the tickets
    assert cut.written == whole.written


def test_gzip_and_an_encoding_change_nothing(tmp_path: Path) -> None:
    made = write_sample(tmp_path / "sample.csv", 500, 3)
    packed = tmp_path / "sample.csv.gz"
    packed.write_bytes(gzip.compress(made.path.read_bytes()))
    assert checked(packed).rows == checked(made.path).rows


def test_equal_keys_name_their_lines(tmp_path: Path) -> None:
    text = HEADER + "".join(map(GOOD.format, (1, 2, 3, 2, 4, 5)))
    found = checked(written(text, tmp_path))
    assert found.superseded == 1
    assert [tuple(equal) for equal in found.equal_rows] == [(3, 5)]


@pytest.mark.parametrize(
    ("rows", "succeeds", "sentence"),
    [
        ("".join(map(GOOD.format, range(3))) + "T9,Soap\n", True, "The load would succeed."),
        (GOOD.format(1) + "T9,Soap\n" * 2, False, "2 of 3 rows are refused"),
        (GOOD.format(1) * 3, False, "2 of 3 rows are superseded"),
        ("T9,Soap\n", False, "The only row is refused"),
        ("", True, "The load would succeed."),
    ],
)
def test_the_limits_are_those_of_a_load(
    rows: str, succeeds: bool, sentence: str, tmp_path: Path
) -> None:
    found = checked(written(HEADER + rows, tmp_path))
    assert found.would_succeed is succeeds
    assert sentence in found.verdict


def test_a_source_sets_its_own_limit(tmp_path: Path) -> None:
    path = written(HEADER + GOOD.format(1) * 3, tmp_path)
    lenient = replace(KNOWN.built_in, max_superseded_percent=80)
    assert checked(path, Sources(lenient, [])).would_succeed


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"equal_keys": "sum"}, (0, 2, 0)),
        ({}, (2, 0, 0)),
    ],
)
def test_rows_with_equal_keys_are_superseded_or_added_up(
    changes: dict[str, Any], counts: tuple[int, int, int], tmp_path: Path
) -> None:
    source = replace(KNOWN.built_in, max_superseded_percent=80, **changes)
    path = written(HEADER + GOOD.format(1) * 3 + GOOD.format(2), tmp_path)
    found = checked(path, Sources(source, []))
    assert (found.superseded, found.combined, found.rows.refused) == counts
    assert found.written == 2


def test_rows_with_equal_keys_are_refused_if_a_field_is_unique(tmp_path: Path) -> None:
    declaration = {
        "name": "stock",
        "match": ["*"],
        "schema": {
            "primaryKey": "sku",
            "fields": [
                {
                    "name": "sku",
                    "constraints": {"unique": True},
                    "dynamodb": {"attribute": "product"},
                }
            ],
        },
    }
    source = read_source(json.dumps(declaration).encode(), "stock.json")
    found = checked(written("sku\na\nb\na\na\nc\n", tmp_path), Sources(source, []))
    assert dict(found.rows.reasons) == {("sku", "not_unique"): 2}
    assert (found.written, found.superseded, found.rows.refused) == (3, 0, 2)
    assert found.verdict.startswith("2 of 5 rows are refused")


def test_a_refused_file_has_the_reasons_of_validate_file(tmp_path: Path) -> None:
    found = checked(written("a,b\n1,2\n", tmp_path))
    assert (found.would_succeed, found.file) == (False, None)
    assert [reason.reason for reason in found.reasons] == ["no_header"]


def test_damaged_gzip_fails_after_the_rows_before(tmp_path: Path) -> None:
    made = write_sample(tmp_path / "sample.csv", 5_000, 3)
    packed = gzip.compress(made.path.read_bytes())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found = checked(path)
    assert found.would_succeed is False
    assert found.verdict == "The gzip data is damaged or cut off."
    assert 0 < found.rows.read < made.rows


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    checked(written(HEADER + GOOD.format(1), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["week.csv"]


def test_the_defaults_are_those_of_the_template() -> None:
    parameters = yaml_parse(TEMPLATE.read_text())["Parameters"]
    assert parameters["ChunkSizeBytes"]["Default"] == check.CHUNK_SIZE
    assert parameters["MaxRefusedPercent"]["Default"] == check.MAX_REFUSED_PERCENT
    assert parameters["MaxSupersededPercent"]["Default"] == check.MAX_SUPERSEDED_PERCENT
