"""docs/operations.md agrees with the template and the definition, and its arithmetic is right."""

import re

import pytest

from benchmarks.write_path.money import transitions
from ingestion.csv_files.gzip_stream import MAX_FILE_BYTES
from ingestion.telemetry import MEASURES, UNITS
from tests.support.deployed import ROOT, Stack, source

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # with no line ends in sentences
ROWS = [1_000_000, 100_000_000, 500_000_000]
BYTES_A_ROW = 84
CHUNK_SIZE = 16 * 2**20
ROWS_A_SECOND_OF_ONE_CHUNK = 4_000  # the page's assumption
SECONDS = {"s": 1, "min": 60, "h": 3600}
BYTES = {"MB": 10**6, "GB": 10**9}


def table_row(start: str) -> list[str]:
    """The cells behind the first of the one row of a table that begins so."""
    [row] = re.findall(rf"^\| {re.escape(start)}.*$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in row.strip("|").split("|")[1:]]


def chunks(rows: int) -> int:
    return -(-rows * BYTES_A_ROW // CHUNK_SIZE)


def quantity(cell: str, units: dict[str, int]) -> tuple[float, float]:
    """A number with its unit, and half of its last digit."""
    found = re.match(r"([\d.]+) (\w+)", cell)
    assert found, cell
    number, unit = found[1], units[found[2]]
    digits = len(number.partition(".")[2])
    return float(number) * unit, 0.5 * 10**-digits * unit


def test_the_columns_are_for_these_numbers_of_rows() -> None:
    heads = re.findall(r"^\| \| ([\d,]+) rows \| ([\d,]+) rows \| ([\d,]+) rows \|$", PAGE, re.M)
    assert len(heads) == 2  # time and cost
    for head in heads:
        assert [int(one.replace(",", "")) for one in head] == ROWS


def test_files_and_chunks_are_as_large_as_their_rows_and_no_file_is_too_large() -> None:
    for rows, cell in zip(ROWS, table_row("File |"), strict=True):
        found, error = quantity(cell, BYTES)
        assert found <= MAX_FILE_BYTES
        assert found == pytest.approx(rows * BYTES_A_ROW, abs=error)
    counted = [int(cell.replace(",", "")) for cell in table_row("Chunks of 16 MiB")]
    assert counted == [chunks(rows) for rows in ROWS]
    assert source()["Parameters"]["ChunkSizeBytes"]["Default"] == CHUNK_SIZE


@pytest.mark.parametrize("pace", [4_000, 40_000, 200_000])
def test_times_are_rows_by_the_tables_pace(pace: int) -> None:
    for rows, cell in zip(ROWS, table_row(f"At {pace:,} writes/s"), strict=True):
        found, error = quantity(cell, SECONDS)
        assert found == pytest.approx(rows / pace, abs=error)


def dollars(start: str) -> list[float]:
    return [float(cell.removeprefix("$")) for cell in table_row(start)]


def test_costs_are_numbers_by_prices(stack: Stack) -> None:
    assert dollars("DynamoDB, $0.625") == [
        pytest.approx(rows * 0.625 / 1e6, abs=0.0051) for rows in ROWS
    ]
    gigabytes = stack.properties("WriteChunk")["MemorySize"] / 1024
    assert f"Lambda, {gigabytes:.2f} GB" in PAGE
    assert dollars("Lambda, ") == [
        pytest.approx(rows / ROWS_A_SECOND_OF_ONE_CHUNK * gigabytes * 0.0000133334, abs=0.0051)
        for rows in ROWS
    ]
    per_load, per_chunk = transitions()
    assert dollars(
        f"Step Functions, {per_chunk} transitions per chunk and {per_load} per load"
    ) == [
        pytest.approx((chunks(rows) * per_chunk + per_load) * 25 / 1e6, abs=0.0051) for rows in ROWS
    ]


def test_what_provisioned_writes_cost() -> None:
    """$0.00065 for a write unit and hour."""
    million = 0.00065 / 3600 * 1e6
    assert f"${million:.2f} provisioned" in TEXT
    assert f"below {million / 0.625:.0%}".replace("%", " %") in TEXT


def test_alarms_are_counted_as_they_are_paid(stack: Stack) -> None:
    count = len(stack.of_type("AWS::CloudWatch::Alarm"))
    assert f"{count} alarms (${count * 0.10:.2f})" in TEXT


def test_custom_metrics_are_counted_as_they_are_paid() -> None:
    """A metric for each outcome is one more."""
    count = len({*MEASURES, *UNITS}) * len(["Succeeded", "Failed", "Overtaken"])
    assert f"up to {count} custom metrics (${count * 0.30:.2f})" in TEXT


def test_times_of_keeping_are_those_of_the_template() -> None:
    parameters = source()["Parameters"]
    for name in ("ReportDays", "OldVersionDays", "PlanDays", "LogRetentionDays"):
        assert f"`{name}` ({parameters[name]['Default']})" in PAGE


def test_what_outlives_the_stack_is_what_the_page_says(stack: Stack) -> None:
    kept = {name for name, one in stack.resources.items() if one.get("DeletionPolicy") == "Retain"}
    assert kept == {"UploadBucket", "WorkBucket", "Table", "LedgerTable"}
    assert "both buckets, the table, the ledger, and the key if there is one" in TEXT
