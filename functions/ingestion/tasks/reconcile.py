"""The task Reconcile: what the ledger says of all chunks, added up and reported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.contracts import File, LoadResult, Plan
from ingestion.csv_files.refused_rows import RefusedRow, csv_lines
from ingestion.csv_files.row_warnings import WARNINGS, Warned, Warnings, merged
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger
from ingestion.ledger.versions import OVERTAKEN, Turns
from ingestion.s3.refused_rows import read_parts
from ingestion.s3.streams import file_object
from ingestion.tasks.quality_limits import QualityLimits

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Reconciler:
    """Reconciles loads. Those whose rows exceed ``limits`` fail."""

    def __init__(
        self,
        s3: "S3Client",
        ledger: Ledger,
        turns: Turns,
        *,
        work_bucket: str,
        limits: QualityLimits,
    ) -> None:
        self._s3 = s3
        self._ledger = ledger
        self._turns = turns
        self._work_bucket = work_bucket
        self._limits = limits

    def reconcile(self, load_id: str, file: File, plan: Plan) -> LoadResult:
        """Add up a load; leave its refused rows (CSV) and its report (JSON) in the work bucket."""
        chunks = list(self._ledger.chunks(load_id))
        totals = _totals(chunks)
        missing = shortfall(chunks, plan, file)
        newest = self._turns.newest(file.object_url)
        overtaken = bool(missing and newest and newest.load_id != load_id)
        missing = missing or self._limits.exceeded(totals)
        refused_rows, first_error = self._join_refused_rows(load_id, chunks, file.header_lines)
        result = LoadResult(
            complete=missing is None,
            overtaken=overtaken,
            summary=OVERTAKEN if overtaken else missing or _summary(totals),
            rows_read=totals["rows_read"],
            rows_written=totals["rows_written"],
            rows_superseded=totals["rows_superseded"],
            rows_refused=totals["rows_refused"],
            throttles=sum(chunk.throttles for chunk in chunks),
            chunks=plan.chunks,
            chunks_finished=sum(chunk.finished for chunk in chunks),
            refused_rows=refused_rows,
            report=f"s3://{self._work_bucket}/reports/{load_id}.json",
        )
        status = "OVERTAKEN" if overtaken else "FAILED" if missing else "SUCCEEDED"
        facts = {
            **result.to_json(),
            "blank_lines": totals["blank_lines"],
            "lines": _line_counts(chunks, file.header_lines),
            "warnings": _warnings(chunks, file.header_lines),
            "unread": plan.unread.to_json() if plan.unread else None,
            "first_error": first_error,
            "rows_per_second": rows_per_second(chunks),
            # Rows that only this earlier load had stay in the table.
            "replaces": newest.replaces if newest and newest.load_id == load_id else None,
        }
        self._write_report(load_id, status, facts)
        self._ledger.close_load(load_id, status, facts)
        return result

    def _join_refused_rows(
        self, load_id: str, chunks: Sequence[ChunkProgress], header_lines: int
    ) -> tuple[str | None, dict[str, Any] | None]:
        """The joined file's URL and the first refused row's place, if any.

        Behind the first unfinished chunk lines can't be numbered; the load has failed then, and the
        replay that finishes the chunk lists the rows behind it."""
        chunks = _numbered(chunks)
        counted = sum(chunk.rows_refused + chunk.rows_superseded for chunk in chunks)
        if not counted:
            return None, None
        key = f"refused-rows/{load_id}/refused-rows.csv"
        listed = 0
        first_error = None

        def noted() -> Iterator[RefusedRow]:
            nonlocal listed, first_error
            for row in self._refused_rows(chunks, header_lines):
                listed += 1
                if first_error is None and row.reason != "superseded":
                    first_error = {"line": row.line, "column": row.column, "reason": row.reason}
                yield row

        self._s3.upload_fileobj(
            file_object(csv_lines(noted())),
            self._work_bucket,
            key,
            ExtraArgs={"ContentType": "text/csv; charset=utf-8"},
        )
        if listed != counted:
            raise AccountingError(
                f"Load {load_id}: {counted} rows refused or superseded, but {listed} listed."
            )
        return f"s3://{self._work_bucket}/{key}", first_error

    def _refused_rows(
        self, chunks: Sequence[ChunkProgress], header_lines: int
    ) -> Iterator[RefusedRow]:
        line_offset = header_lines
        for chunk in chunks:
            yield from read_parts(self._s3, self._work_bucket, chunk.refused_parts, line_offset)
            line_offset += chunk.lines

    def _write_report(self, load_id: str, status: str, facts: Mapping[str, Any]) -> None:
        entry = self._ledger.load(load_id) or {}
        names = ("bucket", "key", "version_id", "etag", "size", "uploader", "unknown_columns")
        report = {
            "load_id": load_id,
            "status": status,
            **{name: entry.get(name) for name in names},
            "executions": entry.get("executions"),
            "started_at": entry.get("started_at"),
            "reconciled_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
            # Equal keys in different chunks are not looked for: null means not checked.
            "conflicts": None,
        }
        self._s3.put_object(
            Bucket=self._work_bucket,
            Key=f"reports/{load_id}.json",
            Body=json.dumps(report, indent=2).encode(),
            ContentType="application/json",
        )


def shortfall(chunks: Sequence[ChunkProgress], plan: Plan, file: File) -> str | None:
    """What is wrong with a load's chunks, in a sentence, or None if they tile the data part of the
    file, are finished, and their rows add up."""
    planned = plan.chunks
    by_index = {chunk.index: chunk for chunk in chunks}
    unfinished = [
        index for index in range(planned) if not (index in by_index and by_index[index].finished)
    ]
    if unfinished:
        return (
            f"{len(unfinished):,} of {planned:,} chunks are not finished; "
            f"the first is chunk {unfinished[0]}."
        )
    expected = file.data_start
    for chunk in chunks:
        if chunk.start != expected or chunk.next_byte != chunk.end:
            return f"Chunk {chunk.index} does not begin where the one before it ends."
        counted = chunk.rows_written + chunk.rows_superseded + chunk.rows_refused
        if chunk.rows_read != counted:
            return f"Chunk {chunk.index} read {chunk.rows_read} rows but accounts for {counted}."
        if problem := _wrong_lines(chunk, is_last=chunk.index == planned - 1):
            return problem
        expected = chunk.end
    if expected != plan.data_end:
        return f"The chunks end at byte {expected:,} of {plan.data_end:,}."
    if plan.unread:
        return (
            f"{UNREAD[plan.unread.reason]} The {sum(chunk.rows_read for chunk in chunks):,} "
            "rows before that are accounted for."
        )
    return None


def _wrong_lines(chunk: ChunkProgress, *, is_last: bool) -> str | None:
    """What is wrong with a chunk's lines, in a sentence. A file's last line may lack its end."""
    lines = chunk.row_lines + chunk.blank_lines + chunk.repeated_headers + chunk.end_mark_lines
    if lines == chunk.line_ends or (is_last and lines == chunk.line_ends + 1):
        return None
    return (
        f"Chunk {chunk.index} has {chunk.line_ends:,} line ends but accounts for {lines:,} lines."
    )


UNREAD = {
    "corrupt_gzip": "The gzip data is damaged or cut off.",
    "unpacks_too_large": "The gzip data unpacks to more than 200 times its size.",
}
"""Why a compressed file could not be read to its end."""


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


def _line_counts(chunks: Sequence[ChunkProgress], header_lines: int) -> dict[str, int]:
    """The lines of the file by what they are. They add up to ``total``."""
    counts = {
        "skipped": 0,
        "header": header_lines,
        "comments": 0,
        "repeated_headers": sum(chunk.repeated_headers for chunk in chunks),
        "blank": sum(chunk.blank_lines for chunk in chunks),
        "end_mark": sum(chunk.end_mark_lines for chunk in chunks),
        "rows": sum(chunk.row_lines for chunk in chunks),
    }
    return counts | {"total": sum(counts.values())}


def _warnings(chunks: Sequence[ChunkProgress], header_lines: int) -> dict[str, dict[str, Any]]:
    """The warnings of a load, by kind: how many rows, the line of the first one, what it means.

    Chunks behind one that is not finished are left out: their lines can't be numbered."""
    warnings: Warnings = {}
    lines = header_lines
    for chunk in _numbered(chunks):
        found = {kind: Warned(*warned) for kind, warned in chunk.warnings.items()}
        warnings = merged(warnings, found, lines)
        lines += chunk.lines
    return {
        kind: {**warned._asdict(), "meaning": WARNINGS[kind]}
        for kind, warned in sorted(warnings.items())
    }


def rows_per_second(chunks: Sequence[ChunkProgress]) -> int | None:
    """Rows written for each second in which a chunk was being written, over all executions of the
    load; None if that was no measurable time. Chunks of an earlier release, which noted no times,
    do not count."""
    seconds = 0.0
    until = datetime.min.replace(tzinfo=UTC)
    for began, ended in sorted(times for chunk in chunks for times in chunk.rounds):
        first, last = datetime.fromisoformat(began), datetime.fromisoformat(ended)
        if last > until:
            seconds += (last - max(first, until)).total_seconds()
            until = last
    written = sum(chunk.rows_written for chunk in chunks if chunk.rounds)
    return round(written / seconds) if seconds else None


def _summary(totals: Mapping[str, int]) -> str:
    return (
        f"{totals['rows_read']:,} rows read: {totals['rows_written']:,} written, "
        f"{totals['rows_superseded']:,} superseded, {totals['rows_refused']:,} refused."
    )
