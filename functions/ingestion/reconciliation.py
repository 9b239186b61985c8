"""The task Reconcile: what the ledger says of all chunks, added up and reported."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.errors import AccountingError
from ingestion.ledger import ChunkProgress, Ledger
from ingestion.refused import CsvStream, RefusedRow, read_parts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Reconciler:
    """Reconciles loads."""

    def __init__(self, s3: "S3Client", ledger: Ledger, work_bucket: str) -> None:
        self._s3 = s3
        self._ledger = ledger
        self._work_bucket = work_bucket

    def reconcile(
        self, load_id: str, file: Mapping[str, Any], plan: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add up a load; leave its refused rows (CSV) and its report (JSON) in the work bucket.

        ``complete`` in the answer says whether every byte and every row is accounted for;
        ``summary`` says in a sentence what was loaded, or what is missing.
        """
        chunks = list(self._ledger.chunks(load_id))
        totals = _totals(chunks)
        missing = shortfall(chunks, plan["chunks"], file["data_start"], file["size"])
        refused_rows = self._join_refused_rows(load_id, chunks, file["header_lines"])
        result = {
            "complete": missing is None,
            "summary": missing or _summary(totals),
            **{name: totals[name] for name in totals if name != "blank_lines"},
            "chunks": plan["chunks"],
            "chunks_finished": sum(chunk.finished for chunk in chunks),
            "refused_rows": refused_rows,
            "report": f"s3://{self._work_bucket}/reports/{load_id}.json",
        }
        status = "SUCCEEDED" if missing is None else "FAILED"
        self._write_report(load_id, status, result, totals["blank_lines"])
        self._ledger.close_load(load_id, status, {**totals, **result})
        return result

    def _join_refused_rows(
        self, load_id: str, chunks: Sequence[ChunkProgress], header_lines: int
    ) -> str | None:
        """Behind the first unfinished chunk lines can't be numbered; the load has failed then, and
        the replay that finishes the chunk lists the rows behind it."""
        chunks = _numbered(chunks)
        counted = sum(chunk.rows_refused + chunk.rows_superseded for chunk in chunks)
        if not counted:
            return None
        key = f"refused-rows/{load_id}/refused-rows.csv"
        stream = CsvStream(self._refused_rows(chunks, header_lines))
        self._s3.upload_fileobj(
            io.BufferedReader(stream),
            self._work_bucket,
            key,
            ExtraArgs={"ContentType": "text/csv; charset=utf-8"},
        )
        if stream.rows != counted:
            raise AccountingError(
                f"Load {load_id}: {counted} rows refused or superseded, but {stream.rows} listed."
            )
        return f"s3://{self._work_bucket}/{key}"

    def _refused_rows(
        self, chunks: Sequence[ChunkProgress], header_lines: int
    ) -> Iterator[RefusedRow]:
        line_offset = header_lines
        for chunk in chunks:
            yield from read_parts(self._s3, self._work_bucket, chunk.refused_parts, line_offset)
            line_offset += chunk.lines

    def _write_report(
        self, load_id: str, status: str, result: Mapping[str, Any], blank_lines: int
    ) -> None:
        entry = self._ledger.load(load_id) or {}
        names = ("bucket", "key", "version_id", "etag", "size", "uploader", "unknown_columns")
        report = {
            "load_id": load_id,
            "status": status,
            **{name: entry.get(name) for name in names},
            "executions": entry.get("executions"),
            "started_at": entry.get("started_at"),
            "reconciled_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **result,
            "blank_lines": blank_lines,
            # Equal keys in different chunks are not looked for: null means not checked.
            "conflicts": None,
        }
        self._s3.put_object(
            Bucket=self._work_bucket,
            Key=f"reports/{load_id}.json",
            Body=json.dumps(report, indent=2).encode(),
            ContentType="application/json",
        )


def shortfall(
    chunks: Sequence[ChunkProgress], planned: int, data_start: int, size: int
) -> str | None:
    """What is wrong with a load's chunks, in a sentence, or None if they tile the data part of the
    file, are finished, and their rows add up."""
    by_index = {chunk.index: chunk for chunk in chunks}
    unfinished = [
        index for index in range(planned) if not (index in by_index and by_index[index].finished)
    ]
    if unfinished:
        return (
            f"{len(unfinished):,} of {planned:,} chunks are not finished; "
            f"the first is chunk {unfinished[0]}."
        )
    expected = data_start
    for chunk in chunks:
        if chunk.start != expected or chunk.next_byte != chunk.end:
            return f"Chunk {chunk.index} does not begin where the one before it ends."
        counted = chunk.rows_written + chunk.rows_superseded + chunk.rows_refused
        if chunk.rows_read != counted:
            return f"Chunk {chunk.index} read {chunk.rows_read} rows but accounts for {counted}."
        if chunk.unread:
            lines_before = sum(other.lines for other in chunks[: chunk.index])
            return (
                f"{chunk.unread['bytes']:,} bytes at the end of chunk {chunk.index} could not be "
                f"read ({chunk.unread['reason']}), from line {chunk.unread['line'] + lines_before} "
                "of the data on."
            )
        expected = chunk.end
    if expected != size:
        return f"The chunks end at byte {expected:,} of {size:,}."
    return None


def _numbered(chunks: Sequence[ChunkProgress]) -> list[ChunkProgress]:
    """The chunks, from the first on, before which every line has been counted."""
    numbered = []
    for index, chunk in enumerate(chunks):
        if chunk.index != index:
            break
        numbered.append(chunk)
        if not chunk.finished:
            break
    return numbered


def _totals(chunks: Sequence[ChunkProgress]) -> dict[str, int]:
    return {
        "rows_read": sum(chunk.rows_read for chunk in chunks),
        "rows_written": sum(chunk.rows_written for chunk in chunks),
        "rows_superseded": sum(chunk.rows_superseded for chunk in chunks),
        "rows_refused": sum(chunk.rows_refused for chunk in chunks),
        "blank_lines": sum(chunk.blank_lines for chunk in chunks),
    }


def _summary(totals: Mapping[str, int]) -> str:
    return (
        f"{totals['rows_read']:,} rows read: {totals['rows_written']:,} written, "
        f"{totals['rows_superseded']:,} superseded, {totals['rows_refused']:,} refused."
    )
