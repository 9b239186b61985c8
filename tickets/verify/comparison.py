"""Compares what a load left behind with what must become of its file: items, report, list of
refused rows, and ledger."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import botocore.exceptions

from ingestion.dynamodb.table_schema import TableSchema
from ingestion.executions.history import LOADED
from tickets.errors import CommandError
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.refused_rows import read_refused_rows
from tickets.runs.stack import Stack
from tickets.runs.table_reader import TableReader
from tickets.verify.files import ExpectedRow, TicketFile
from tickets.verify.traffic import Upload

EXECUTION, ITEMS, REPORT, REFUSED_ROWS, LEDGER = (
    "execution",
    "items",
    "report",
    "refused rows",
    "ledger",
)


class Difference(NamedTuple):
    """Something that is not as it must be. `where` is one of the constants above."""

    where: str
    detail: str


class Comparison:
    """Compares the loads of one stack, whose table has the schema. `lineage` is the attribute that
    items have besides those made from their rows, or None."""

    def __init__(self, stack: Stack, schema: TableSchema, lineage: str | None = None) -> None:
        self._stack = stack
        self._lineage = lineage
        self._reader = TableReader(stack.client("dynamodb"), stack.table, schema)

    def differences(
        self, upload: Upload, execution: Execution, kept: Sequence[ExpectedRow] = ()
    ) -> list[Difference]:
        """Everything that is not as it must be after the execution has loaded the upload.

        kept: rows of an earlier version, which must still be in the table.
        """
        file = upload.file
        if execution.ending != LOADED:
            why = execution.failure or f"it ended as {execution.ending}"
            return [
                Difference(EXECUTION, f"the load is {execution.status}: {why}"),
                *(
                    Difference(EXECUTION, f"chunk {chunk.index}: {chunk.error}")
                    for chunk in execution.failed_chunks()
                ),
            ]
        return [
            *_execution(execution, file),
            *self._items(file.in_table, kept, file.refused),
            *self._report(execution, upload),
            *self._refused_rows(execution, file),
            *self._ledger(execution, upload),
        ]

    def missing_or_changed(self, rows: Sequence[ExpectedRow]) -> list[Difference]:
        """The differences between rows and their items."""
        return list(self._items(rows, (), ()))

    def _items(
        self,
        in_table: Sequence[ExpectedRow],
        kept: Sequence[ExpectedRow],
        refused: Sequence[ExpectedRow],
    ) -> Iterator[Difference]:
        missing, other = [], []
        for expected, item in self._looked_up([*in_table, *kept]):
            if item is None:
                missing.append(expected)
            elif item != expected.row.item:
                other.append(expected)
        there = [expected for expected, item in self._looked_up(refused) if item is not None]
        rows = len(in_table) + len(kept)
        for found, words in (
            (missing, f"of {rows} items are missing from the table"),
            (other, f"of {rows} items have other values than the file"),
            (there, f"of {len(refused)} refused rows are in the table"),
        ):
            if found:
                first = found[0]
                yield Difference(
                    ITEMS,
                    f"{len(found)} {words}; the first is {first.row.item['ticket_id']['S']}, "
                    f"line {first.line}",
                )

    def _looked_up(
        self, rows: Sequence[ExpectedRow]
    ) -> Iterator[tuple[ExpectedRow, Mapping[str, Any] | None]]:
        size = self._reader.batch_rows
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            items = self._reader.items([expected.row for expected in batch])
            yield from zip(batch, map(self._without_lineage, items), strict=True)

    def _without_lineage(self, item: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if item is None or self._lineage is None:
            return item
        return {name: value for name, value in item.items() if name != self._lineage}

    def _report(self, execution: Execution, upload: Upload) -> Iterator[Difference]:
        uri = execution.outcome().report or ""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            answer = self._stack.client("s3").get_object(Bucket=bucket, Key=key)
        except (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError):
            yield Difference(REPORT, f"there is no report at {uri or 'any address'}")
            return
        report = json.loads(answer["Body"].read())
        lines = report.get("lines") or {}
        found = {**report, "lines": lines.get("total"), "blank lines": lines.get("blank")}
        file = upload.file
        expected = {
            **_load_facts(self._stack, upload),
            "complete": True,
            "lines": file.lines,
            "blank lines": file.blank_lines,
            "unknown_columns": file.unknown_columns,
        }
        yield from _unequal(REPORT, found, expected)
        yield from _unlisted(REPORT, report, execution)

    def _refused_rows(self, execution: Execution, file: TicketFile) -> Iterator[Difference]:
        uri = execution.outcome().refused_rows
        try:
            listed = list(read_refused_rows(self._stack, uri)) if uri else []
        except CommandError:
            yield Difference(REFUSED_ROWS, f"there is no list at {uri}")
            return
        if listed == file.listed:
            return
        lines = sorted({row.line for row in set(listed) ^ set(file.listed)})
        yield Difference(
            REFUSED_ROWS,
            f"{len(listed)} rows are listed, expected {len(file.listed)}; the first difference is "
            f"in line {lines[0] if lines else listed[0].line}",
        )

    def _ledger(self, execution: Execution, upload: Upload) -> Iterator[Difference]:
        entry = execution.load
        if not entry:
            yield Difference(LEDGER, f"there is no entry of load {execution.load_id}")
            return
        yield from _unequal(LEDGER, entry, _load_facts(self._stack, upload))
        yield from _unlisted(LEDGER, entry, execution)
        chunks = recorded_chunks(self._stack, entry)
        read = sum(chunk.rows_read for chunk in chunks)
        expected = upload.file.totals["rows_read"]
        if read != expected or not all(chunk.finished for chunk in chunks):
            yield Difference(
                LEDGER, f"its chunks have {read} rows read, or are unfinished; expected {expected}"
            )


def _execution(execution: Execution, file: TicketFile) -> Iterator[Difference]:
    outcome = execution.outcome()
    yield from _unequal(EXECUTION, vars(outcome), file.totals)
    if (outcome.chunks or 0) < file.min_chunks:
        yield Difference(
            EXECUTION, f"chunks is {outcome.chunks}, expected at least {file.min_chunks}"
        )


def _load_facts(stack: Stack, upload: Upload) -> dict[str, Any]:
    """What both the report and the ledger must say about the load of an upload."""
    return {
        "status": "SUCCEEDED",
        "bucket": stack.upload_bucket,
        "key": upload.file.key,
        "version_id": upload.version_id,
        **upload.file.totals,
    }


def _unequal(
    where: str, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> Iterator[Difference]:
    for name, value in expected.items():
        if found.get(name) != value:
            yield Difference(where, f"{name} is {found.get(name)}, expected {value}")


def _unlisted(where: str, found: Mapping[str, Any], execution: Execution) -> Iterator[Difference]:
    executions: Iterable[str] = found.get("executions") or ()
    if execution.arn not in executions:
        yield Difference(where, f"execution {execution.name} is not listed")
