"""The task Reconcile: what the ledger says of all chunks, added up and reported."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.contracts import File, LoadResult, Plan
from ingestion.csv_files.rows import REASONS
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger
from ingestion.ledger.versions import OVERTAKEN, Turns
from ingestion.s3.refused_rows import ChunkRows
from ingestion.tasks.accounting import series_of_chunk
from ingestion.tasks.join_refused_rows import join_refused_rows
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
        listed = _listed_rows(load_id, _numbered(chunks), file.header_lines)
        refused_rows = join_refused_rows(self._s3, self._work_bucket, load_id, listed)
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
            "unread": _unread(chunks, plan, file.header_lines),
            "first_error": _first_error(_numbered(chunks), file.header_lines),
            "rows_per_second": rows_per_second(chunks),
            # Rows that only this earlier load had stay in the table.
            "replaces": newest.replaces if newest and newest.load_id == load_id else None,
        }
        self._write_report(load_id, status, facts)
        self._ledger.close_load(load_id, status, facts)
        return result

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
        expected = chunk.end
    if expected != plan.data_end:
        return f"The chunks end at byte {expected:,} of {plan.data_end:,}."
    unread = _unread(chunks, plan, file.header_lines)
    if unread and unread["line"]:
        return (
            f"{REASONS[unread['reason']].capitalize()}: it begins in line {unread['line']:,}, and "
            f"{unread['bytes']:,} bytes were not read. The rows before it are written."
        )
    if unread:
        return (
            f"{UNREAD[unread['reason']]} The {sum(chunk.rows_read for chunk in chunks):,} rows "
            "before that are accounted for."
        )
    return None


UNREAD = {
    "corrupt_gzip": "The gzip data is damaged or cut off.",
    "unpacks_too_large": "The gzip data unpacks to more than 200 times its size.",
}
"""Why a compressed file could not be read to its end."""


def _unread(
    chunks: Sequence[ChunkProgress], plan: Plan, header_lines: int
) -> dict[str, Any] | None:
    """What of the file was not read for good, with the line in the file where it begins."""
    lines = header_lines
    for chunk in chunks:
        if chunk.unread:
            return {**chunk.unread, "line": lines + chunk.unread["line"]}
        lines += chunk.lines
    return plan.unread.to_json() if plan.unread else None


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


def _listed_rows(
    load_id: str, chunks: Sequence[ChunkProgress], header_lines: int
) -> list[ChunkRows]:
    """Where the rows are that are not in the table.

    Lines behind the first unfinished chunk can't be numbered. The load has failed then, and the
    replay that finishes the chunk lists the rows behind it.
    """
    listed = []
    lines = header_lines
    for chunk in chunks:
        rows = chunk.rows_refused + chunk.rows_superseded
        series = series_of_chunk(load_id, chunk)
        listed.append(ChunkRows(chunk.index, lines, rows, [one for one in series if one.keys()]))
        lines += chunk.lines
    return listed


def _first_error(chunks: Sequence[ChunkProgress], header_lines: int) -> dict[str, Any] | None:
    """Line, column and reason of the first refused row."""
    lines = header_lines
    for chunk in chunks:
        if chunk.first_refused:
            return {**chunk.first_refused, "line": lines + chunk.first_refused["line"]}
        lines += chunk.lines
    return None


def _totals(chunks: Sequence[ChunkProgress]) -> dict[str, int]:
    return {
        "rows_read": sum(chunk.rows_read for chunk in chunks),
        "rows_written": sum(chunk.rows_written for chunk in chunks),
        "rows_superseded": sum(chunk.rows_superseded for chunk in chunks),
        "rows_refused": sum(chunk.rows_refused for chunk in chunks),
        "blank_lines": sum(chunk.blank_lines for chunk in chunks),
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
