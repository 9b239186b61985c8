"""Rows that are not in the table, joined into one CSV file or named by a manifest."""

import csv
import io
import json
from typing import Any

import pytest

from ingestion.contracts import RefusedRow
from ingestion.errors import AccountingError
from ingestion.s3.refused_rows import ChunkRows, PartWriter, Series
from ingestion.tasks.join_refused_rows import join_refused_rows
from ingestion.tasks.listed_rows import listed_rows
from tests.support.stack_in_memory import WORK, BucketsInMemory

REFUSED = [RefusedRow(line, "quantity", "bad_quantity", f"T{line},é\n😀") for line in (2, 5, 9)]
SUPERSEDED = [RefusedRow(line, "", "superseded", "=1+1") for line in (1, 7)]


@pytest.fixture
def buckets() -> Any:
    return BucketsInMemory()


def two_chunks(buckets: Any) -> list[ChunkRows]:
    """The first one has 10 lines, behind a header of one."""
    series = []
    for prefix, rows in (("a-", REFUSED), ("b-", SUPERSEDED), ("c-", REFUSED[:1])):
        writer = PartWriter(buckets, WORK, Series(prefix))
        for row in rows:
            writer.add(row)
        series.append(writer.finish())
    return [ChunkRows(0, 1, series[:2]), ChunkRows(1, 11, series[2:])]


LINES = [2, 3, 6, 8, 10, 13]


def csv_rows(buckets: Any) -> list[list[str]]:
    text = buckets.objects[WORK, "refused-rows/E/refused-rows.csv"].decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_all_rows_become_one_csv_file(buckets: Any) -> None:
    url = join_refused_rows(buckets, WORK, "refused-rows/E", two_chunks(buckets), 6)
    assert url == "s3://work/refused-rows/E/refused-rows.csv"
    header, *rows = csv_rows(buckets)
    assert header == ["line", "column", "reason", "raw"]
    assert [int(row[0]) for row in rows] == LINES
    assert rows[0] == ["2", "", "superseded", "'=1+1"]
    assert rows[1] == ["3", "quantity", "bad_quantity", "T2,é\n😀"]


def test_of_more_rows_a_manifest_says_where_they_are(
    buckets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.tasks.join_refused_rows.MAX_JOINED_ROWS", 4)
    url = join_refused_rows(buckets, WORK, "refused-rows/E", two_chunks(buckets), 6)
    assert url == "s3://work/refused-rows/E/refused-rows.json"
    assert [int(row[0]) for row in csv_rows(buckets)[1:]] == LINES[:4]
    manifest = json.loads(buckets.objects[WORK, "refused-rows/E/refused-rows.json"])
    assert manifest["rows"] == 6
    assert manifest["first_rows"] == "s3://work/refused-rows/E/refused-rows.csv"
    assert manifest["chunks"][1] == {
        "chunk": 1,
        "lines_before": 11,
        "series": [{"prefix": "c-", "complete": 1, "open_rows": 0, "names": []}],
    }


@pytest.mark.parametrize("largest", [4, 6])
def test_both_forms_are_read_back(
    buckets: Any, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr("ingestion.tasks.join_refused_rows.MAX_JOINED_ROWS", largest)
    url = join_refused_rows(buckets, WORK, "refused-rows/E", two_chunks(buckets), 6)
    assert url
    rows = list(listed_rows(buckets, url))
    assert [row.line for row in rows] == LINES
    assert rows[1:3] == [REFUSED[0]._replace(line=3), REFUSED[1]._replace(line=6)]


def test_without_rows_nothing_is_written(buckets: Any) -> None:
    assert join_refused_rows(buckets, WORK, "refused-rows/E", [], 0) is None
    assert buckets.objects == {}


@pytest.mark.parametrize("counted", [5, 7])
def test_other_rows_than_were_counted_are_a_defect(buckets: Any, counted: int) -> None:
    with pytest.raises(AccountingError, match="refused or superseded, but"):
        join_refused_rows(buckets, WORK, "refused-rows/E", two_chunks(buckets), counted)
