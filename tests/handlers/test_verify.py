"""The comparison of `tickets verify`: its files, loaded by the handlers on moto, are as it expects
them, and every later change is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from tests.support.cloud import Cloud, chunk_entry
from tests.support.cloud_stack import stack_of
from tests.support.state_machine import EXECUTIONS
from tests.support.step_functions import StepFunctions
from tickets.runs.executions import Execution
from tickets.verify.comparison import Comparison, Difference
from tickets.verify.files import ExpectedRow, RowMaker, TicketFile
from tickets.verify.plan import chunked_file, packed_file, rows_file, second_version
from tickets.verify.traffic import Upload

RUN = "verify-0a1b2c3d"
CHUNK_SIZE = 8_000


class Loads:
    """Loads files of `tickets verify` with the handlers, and compares."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        self._history = StepFunctions()
        self._stack = stack_of(cloud, self._history)
        self.maker = RowMaker(RUN, self._schema())

    def load(self, file: TicketFile, name: str = "first") -> Upload:
        file.write(self._folder / "file")
        given = self.cloud.put((self._folder / "file").read_bytes(), file.key)
        run = self.cloud.run(given, name)
        visits = [(visit.kind, visit.state, visit.output) for visit in run.visits]
        self._history.add(name, run.status, visits)
        return Upload(file, given["version_id"], EXECUTIONS + name)

    def differences(
        self,
        upload: Upload,
        kept: list[ExpectedRow] | None = None,
        lineage: str | None = None,
    ) -> list[Difference]:
        execution = Execution(self._stack, upload.execution_arn)
        comparison = Comparison(self._stack, self._schema(), lineage)
        return comparison.differences(upload, execution, kept or ())

    def report_address(self, upload: Upload) -> dict[str, str]:
        return self._address(Execution(self._stack, upload.execution_arn).outcome().report)

    def refused_rows_address(self, upload: Upload) -> dict[str, str]:
        return self._address(Execution(self._stack, upload.execution_arn).outcome().refused_rows)

    def load_id(self, upload: Upload) -> str:
        return str(Execution(self._stack, upload.execution_arn).load_id)

    def _schema(self) -> TableSchema:
        schema = read_table_schema(self.cloud.dynamodb, self.cloud.table)
        assert schema is not None
        return schema

    def _address(self, uri: str | None) -> dict[str, str]:
        bucket, _, key = str(uri).removeprefix("s3://").partition("/")
        return {"Bucket": bucket, "Key": key}


@pytest.fixture
def loads(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(CHUNK_SIZE))
    return Loads(cloud, tmp_path)


def rows(loads: Loads) -> TicketFile:
    return rows_file(loads.maker, f"{RUN}/rows.csv", max_refused_percent=5)


def chunked(loads: Loads) -> TicketFile:
    file = chunked_file(loads.maker, f"{RUN}/chunks.csv", CHUNK_SIZE, max_superseded_percent=50)
    assert file is not None
    return file


@pytest.mark.parametrize(
    ("key", "index"),
    [
        (("ticket_id", "product"), None),
        pytest.param(("ticket_id", "store"), None, marks=pytest.mark.exhaustive),
        pytest.param(("ticket_id", "product"), "category", marks=pytest.mark.exhaustive),
    ],
    ids=str,
)
def test_every_file_is_loaded_as_expected(
    loads: Loads, key: tuple[str, ...], index: str | None
) -> None:
    loads.cloud.replace_table(*key, indexes={"by-index": [index]} if index else {})
    loads.maker = RowMaker(RUN, loads._schema())
    first, second = rows(loads), second_version(loads.maker, f"{RUN}/rows.csv")
    assert loads.differences(loads.load(first)) == []
    replaced = {expected.row.key for expected in second.in_table}
    kept = [one for one in first.in_table if one.row.key not in replaced]
    assert len(kept) == 48
    assert loads.differences(loads.load(second, "second"), kept) == []
    assert loads.differences(loads.load(chunked(loads), "chunked")) == []
    packed = packed_file(loads.maker, f"{RUN}/packed.csv.gz")
    assert loads.differences(loads.load(packed, "packed")) == []


# --- changes after a load are found

Change = Callable[[Loads, Upload], object]


def key_of(expected: ExpectedRow) -> dict[str, Any]:
    return {name: expected.row.item[name] for name in ("ticket_id", "product")}


def delete_item(loads: Loads, upload: Upload) -> None:
    loads.cloud.dynamodb.delete_item(TableName="Tickets", Key=key_of(upload.file.in_table[5]))


def change_item(loads: Loads, upload: Upload) -> None:
    item = upload.file.in_table[7].row.item | {"store": {"S": "Elsewhere"}}
    loads.cloud.dynamodb.put_item(TableName="Tickets", Item=item)


def add_attribute(loads: Loads, upload: Upload) -> None:
    item = upload.file.in_table[9].row.item | {"filler": {"S": ""}}
    loads.cloud.dynamodb.put_item(TableName="Tickets", Item=item)


def put_refused_row(loads: Loads, upload: Upload) -> None:
    item = upload.file.refused[0].row.item
    loads.cloud.dynamodb.put_item(TableName="Tickets", Item=item)


def change_report(**changes: Any) -> Change:
    def change(loads: Loads, upload: Upload) -> None:
        place = loads.report_address(upload)
        report = json.loads(loads.cloud.read(place["Bucket"], place["Key"]))
        loads.cloud.s3.put_object(**place, Body=json.dumps({**report, **changes}).encode())

    return change


def delete_report(loads: Loads, upload: Upload) -> None:
    loads.cloud.s3.delete_object(**loads.report_address(upload))


def change_refused_rows(old: str, new: str) -> Change:
    def change(loads: Loads, upload: Upload) -> None:
        place = loads.refused_rows_address(upload)
        text = loads.cloud.read(place["Bucket"], place["Key"]).decode()
        assert old in text
        loads.cloud.s3.put_object(**place, Body=text.replace(old, new).encode())

    return change


def delete_refused_rows(loads: Loads, upload: Upload) -> None:
    loads.cloud.s3.delete_object(**loads.refused_rows_address(upload))


def change_ledger(entry: str, **numbers: int) -> Change:
    return lambda loads, upload: loads.cloud.change_entry(loads.load_id(upload), entry, **numbers)


CHANGES: dict[str, tuple[list[Change], list[str]]] = {
    "items": (
        [delete_item, change_item, add_attribute, put_refused_row],
        [
            f"items: 1 of 96 items are missing from the table; the first is {RUN}-a-0005, line 8",
            f"items: 2 of 96 items have other values than the file; the first is {RUN}-a-0007, "
            "line 10",
            f"items: 1 of 4 refused rows are in the table; the first is {RUN}-bad-0010, line 15",
        ],
    ),
    "report": (
        [
            change_report(status="FAILED", key="rows.csv", rows_written=100, rows_refused=0),
            change_report(complete=False, lines={"total": 118, "blank": 0}, executions=[]),
        ],
        [
            "report: status is FAILED, expected SUCCEEDED",
            f"report: key is rows.csv, expected {RUN}/rows.csv",
            "report: rows_written is 100, expected 96",
            "report: rows_refused is 0, expected 4",
            "report: complete is False, expected True",
            "report: lines is 118, expected 119",
            "report: blank lines is 0, expected 1",
            "report: execution first is not listed",
        ],
    ),
    "no report": ([delete_report], ["report: there is no report at {report}"]),
    "reason": (
        [change_refused_rows("bad_quantity", "bad_timestamp")],
        ["refused rows: 4 rows are listed, expected 4; the first difference is in line 64"],
    ),
    "text": (
        [change_refused_rows("two", "three")],
        ["refused rows: 4 rows are listed, expected 4; the first difference is in line 64"],
    ),
    "no refused rows": (
        [delete_refused_rows],
        ["refused rows: there is no list at {refused_rows}"],
    ),
    "ledger": (
        [change_ledger("load", rows_refused=3), change_ledger(chunk_entry(0), rows_read=99)],
        [
            "ledger: rows_refused is 3, expected 4",
            "ledger: its chunks have 99 rows read, or are unfinished; expected 100",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_is_told_and_nothing_else(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, changes: list[Change], expected: list[str]
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    upload = loads.load(rows(loads))
    addresses = {
        name: "s3://{Bucket}/{Key}".format(**place)
        for name, place in (
            ("report", loads.report_address(upload)),
            ("refused_rows", loads.refused_rows_address(upload)),
        )
    }
    for change in changes:
        change(loads, upload)
    found = [f"{one.where}: {one.detail}" for one in loads.differences(upload)]
    assert found == [one.format(**addresses) for one in expected]


def test_lineage_is_no_difference(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "from")
    fresh_clients()
    upload = loads.load(rows(loads))
    assert loads.differences(upload, lineage="from") == []


def test_a_lost_row_of_the_first_version_is_told(loads: Loads) -> None:
    first, second = rows(loads), second_version(loads.maker, f"{RUN}/rows.csv")
    loads.load(first)
    upload = loads.load(second, "second")
    lost = first.in_table[-1]
    loads.cloud.dynamodb.delete_item(TableName="Tickets", Key=key_of(lost))
    [found] = loads.differences(upload, [lost])
    assert found.detail.startswith("1 of 57 items are missing from the table")


def test_totals_of_the_execution_are_compared(loads: Loads) -> None:
    file = rows(loads)
    upload = loads.load(file)
    file.refused.pop()
    file.listed.pop()
    details = [one.detail for one in loads.differences(upload) if one.where == "execution"]
    assert details == ["rows_read is 100, expected 99", "rows_refused is 4, expected 3"]


def test_a_file_that_should_have_two_chunks_has_one(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = chunked(loads)
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    found = loads.differences(loads.load(file))
    assert found == [Difference("execution", "chunks is 1, expected at least 2")]


def test_of_a_failed_load_only_the_failure_is_told(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_REFUSED_PERCENT", "3")
    [found] = loads.differences(loads.load(rows(loads)))
    assert found.where == "execution"
    assert found.detail.startswith("the load is FAILED: 4 of 100 rows are refused, more than")
