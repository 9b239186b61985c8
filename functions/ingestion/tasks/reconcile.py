"""The task Reconcile: adds up the ledger entries of all chunks and reports the totals."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.contracts import ErrorGroup, File, LoadResult, Plan
from ingestion.csv_files.row_warnings import WARNINGS, Warned, Warnings, merged
from ingestion.ledger.chunks import ChunkProgress, Chunks, EqualKeys
from ingestion.ledger.claims import Claim
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import OVERTAKEN, Turns
from ingestion.ledger.writing_times import writing_times
from ingestion.names import joined_rows_folder, report_key
from ingestion.s3.refused_rows import ChunkRows, Series
from ingestion.s3.work_bucket import read_json
from ingestion.tasks.accounting import chunk_series
from ingestion.tasks.chunk_errors import ChunkError, group_errors, with_first_error
from ingestion.tasks.file_source import source_facts, source_of
from ingestion.tasks.join_refused_rows import join_refused_rows
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.shortfall import shortfall
from ingestion.tasks.target_table import TABLE_REPLACED, TargetTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


STAYS = (
    "The object was loaded before under other rules: another declaration of its source, another "
    "table or an earlier release. Items that were written under other keys stay there."
)
UNSETTLED = "Equal keys of the file's chunks are not settled yet."
BEGUN_BEFORE_UPDATE = (
    "The execution began before the stack was updated, and can't settle equal keys of the file's "
    "chunks. Replay it."
)


class Reconciler:
    """Reconciles loads. Those whose rows exceed `limits` fail."""

    def __init__(
        self,
        s3: "S3Client",
        loads: Loads,
        chunks: Chunks,
        turns: Turns,
        slots: Slots,
        table: TargetTable,
        *,
        work_bucket: str,
        limits: QualityLimits,
    ) -> None:
        self._s3 = s3
        self._loads = loads
        self._chunks = chunks
        self._turns = turns
        self._slots = slots
        self._table = table
        self._work_bucket = work_bucket
        self._limits = limits

    def reconcile(
        self,
        load_id: str,
        file: File,
        plan: Plan,
        execution_arn: str | None = None,
        started_at: str | None = None,
    ) -> LoadResult:
        """Adds up a load; writes its refused rows (CSV) and its report (JSON) to the work bucket.

        Then give back the slot of its execution. If equal keys have to be settled first, the result
        says so, and nothing is written or given back. `execution_arn` and `started_at` are None
        for an execution of an earlier release, which has no slot and no entry of its own.
        """
        execution = execution_arn.rpartition(":")[2] if execution_arn else None
        report = report_key(load_id, execution)
        chunks = list(self._chunks.all(load_id, plan.generation))
        replaced = self._table.is_replaced(file)
        missing = TABLE_REPLACED if replaced else shortfall(chunks, plan, file)
        newest = self._turns.newest(file.claimed_url)
        is_newest = newest is None or newest.load_id == load_id
        settled, equal_keys = None, "incomplete"
        if not missing:
            equal_keys = "settled"
            if self._needs_settling(load_id, file, plan, chunks, newest):
                settled = self._chunks.equal_keys(load_id, plan.generation)
                if not _is_settled(settled, newest):
                    equal_keys = "unsettled"
        overtaken = not is_newest and equal_keys != "settled"
        if equal_keys == "unsettled" and not overtaken:
            if plan.generation:
                return self._result(report, plan, chunks, None, UNSETTLED, equal_keys=equal_keys)
            missing = BEGUN_BEFORE_UPDATE
        if equal_keys != "settled":
            equal_keys, settled = "incomplete", None
        totals = _totals(chunks, settled)
        limits = self._limits.of_source(source_of(file).max_superseded_percent)
        missing = missing or limits.exceeded(totals)
        complete = missing is None and not overtaken
        errors = []
        if missing and execution_arn and not overtaken:
            errors = self._errors(load_id, plan, chunks, execution_arn.rpartition(":")[2])
            missing = with_first_error(missing, errors)
        numbered = _numbered(chunks)
        listed = sum(chunk.rows_refused + chunk.rows_superseded for chunk in numbered)
        refused_rows = join_refused_rows(
            self._s3,
            self._work_bucket,
            joined_rows_folder(load_id, execution),
            self._listed_rows(load_id, plan.generation, numbered, settled, file.lines_before_data),
            listed + (settled.rows_superseded + settled.rows_refused if settled else 0),
        )
        result = self._result(
            report,
            plan,
            chunks,
            settled,
            OVERTAKEN if overtaken else missing or _summary(totals),
            complete=complete,
            overtaken=overtaken,
            equal_keys=equal_keys,
            refused_rows=refused_rows,
            errors=errors,
        )
        replaces = newest.replaces if newest and is_newest and not file.resubmits else None
        status = "OVERTAKEN" if overtaken else "SUCCEEDED" if complete else "FAILED"
        facts = {
            **result.to_json(),
            "blank_lines": totals["blank_lines"],
            "lines": _line_counts(chunks, file),
            "warnings": _warnings(chunks, file.lines_before_data),
            "unread": plan.unread.to_json() if plan.unread else None,
            "first_error": _first_error(numbered, settled, file.lines_before_data),
            "rows_per_second": rows_per_second(chunks, started_at),
            # Rows that only this earlier load had stay in the table.
            "replaces": replaces,
            "stays": STAYS if self._had_other_rules(load_id, file, plan, replaces) else None,
        }
        # Another execution that waits for this one may have recorded its own plan and source.
        own = {"plan": plan.to_json(), "generation": plan.generation}
        if file.source:
            own |= source_facts(file.source)
        self._write_report(report, load_id, execution, status, own, facts)
        self._loads.close_load(load_id, status, {**own, **facts}, execution)
        if execution_arn:
            self._slots.release(execution_arn)
        return result

    def _had_other_rules(self, load_id: str, file: File, plan: Plan, replaces: str | None) -> bool:
        """Whether this load has another generation too, or the load that it `replaces` had
        another source."""
        if plan.generation and set(self._loads.generations(load_id)) - {plan.generation}:
            return True
        earlier = self._loads.load(replaces) if replaces else None
        if not earlier or not earlier.get("source") or not file.source:
            return False
        return bool(earlier["source"]["sha256"] != file.source["sha256"])

    def _errors(
        self, load_id: str, plan: Plan, chunks: Sequence[ChunkProgress], execution: str
    ) -> list[ErrorGroup]:
        """The errors with which unfinished chunks failed in an execution, grouped."""
        finished = {chunk.index for chunk in chunks if chunk.finished}
        if len(finished) == plan.chunks:
            return []
        found = self._chunks.errors(load_id, plan.generation, execution)
        return group_errors(
            ChunkError(index, *error) for index, error in found.items() if index not in finished
        )

    def _needs_settling(
        self,
        load_id: str,
        file: File,
        plan: Plan,
        chunks: Sequence[ChunkProgress],
        newest: Claim | None,
    ) -> bool:
        """Whether there may be equal keys that Write Chunk could not settle within one chunk: keys
        in several chunks, or in one chunk whose rows are added up or whose calls may have
        overlapped."""
        if len(chunks) > 1:
            return True
        if not any(chunk.repeated_keys for chunk in chunks):
            return False
        if source_of(file).equal_keys == "sum":
            return True
        leases = self._turns.leases(file.claimed_url, load_id, plan.generation)
        times = writing_times(chunks, leases, newest.alone_since if newest else None)
        return any(time.may_have_overlapped for time in times.values())

    def _result(
        self,
        report: str,
        plan: Plan,
        chunks: Sequence[ChunkProgress],
        settled: EqualKeys | None,
        summary: str,
        *,
        equal_keys: str,
        complete: bool = False,
        overtaken: bool = False,
        refused_rows: str | None = None,
        errors: Sequence[ErrorGroup] = (),
    ) -> LoadResult:
        totals = _totals(chunks, settled)
        return LoadResult(
            complete=complete,
            overtaken=overtaken,
            equal_keys=equal_keys,
            summary=summary,
            rows_read=totals["rows_read"],
            rows_written=totals["rows_written"],
            rows_superseded=totals["rows_superseded"],
            rows_combined=totals["rows_combined"],
            rows_refused=totals["rows_refused"],
            throttles=sum(chunk.throttles for chunk in chunks),
            chunks=plan.chunks,
            chunks_finished=sum(chunk.finished for chunk in chunks),
            refused_rows=refused_rows,
            report=f"s3://{self._work_bucket}/{report}",
            errors=list(errors),
        )

    def _listed_rows(
        self,
        load_id: str,
        generation: str,
        chunks: Sequence[ChunkProgress],
        settled: EqualKeys | None,
        lines_before_data: int,
    ) -> list[ChunkRows]:
        """Lists the parts with rows that are not in the table, for each chunk that has any.

        Lines after the first unfinished chunk can't be numbered. The load has failed then, and the
        replay that finishes the chunk lists the rows after it.
        """
        parts: dict[str, list[str]] = {}
        if settled and settled.parts:
            parts = read_json(self._s3, self._work_bucket, settled.parts)
        listed = []
        lines = lines_before_data
        for chunk in chunks:
            series = [
                *chunk_series(load_id, generation, chunk),
                *_series_of_batches(parts.get(str(chunk.index), [])),
            ]
            series = [one for one in series if one.keys()]
            if series:
                listed.append(ChunkRows(chunk.index, lines, series))
            lines += chunk.lines
        return listed

    def _write_report(
        self,
        key: str,
        load_id: str,
        execution: str | None,
        status: str,
        own: Mapping[str, Any],
        facts: Mapping[str, Any],
    ) -> None:
        entry = {**(self._loads.load(load_id) or {}), **own}
        attempt = self._loads.attempts.get(execution) if execution else None
        report = {
            "load_id": load_id,
            "execution": execution,
            "status": status,
            **{name: entry.get(name) for name in _FACTS},
            **{name: getattr(attempt, name, None) for name in _FACTS_OF_ATTEMPT},
            "executions": entry.get("executions"),
            "started_at": entry.get("started_at"),
            "reconciled_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        }
        self._s3.put_object(
            Bucket=self._work_bucket,
            Key=key,
            Body=json.dumps(report, indent=2).encode(),
            ContentType="application/json",
        )


_FACTS = (
    "bucket",
    "key",
    "version_id",
    "etag",
    "size",
    "uploader",
    "source",
    "unknown_columns",
    "resubmits",
)
"""Facts about a load that are copied from its entry in the ledger to the report."""
_FACTS_OF_ATTEMPT = ("started_by", "why", "reason")


def _is_settled(settled: EqualKeys | None, newest: Claim | None) -> bool:
    """Whether equal keys are settled, and no other load has written the rows since."""
    alone_since = newest.alone_since if newest else None
    return settled is not None and settled.settled and settled.alone_since == alone_since


def _series_of_batches(parts: Sequence[str]) -> list[Series]:
    """Groups the parts with rows of one chunk that Settle Equal Keys has listed, by batch.
    Line numbers ascend across the parts of a batch. Two batches may interleave."""
    batches = defaultdict(list)
    for part in parts:
        _, batch, *_ = part.rpartition("/")[2].split("-")
        batches[batch].append(part)
    return [Series("", names=names) for names in batches.values()]


def _first_error(
    chunks: Sequence[ChunkProgress], settled: EqualKeys | None, lines_before_data: int
) -> dict[str, Any] | None:
    """Line, column and reason of the first refused row."""
    lines = lines_before_data
    by_settling = settled.first_refused if settled else None
    for chunk in chunks:
        found = [chunk.first_refused] if chunk.first_refused else []
        if by_settling and by_settling["chunk"] == chunk.index:
            found.append({name: by_settling[name] for name in ("line", "column", "reason")})
        if found:
            first = min(found, key=lambda one: int(one["line"]))
            return {**first, "line": lines + first["line"]}
        lines += chunk.lines
    return None


def _numbered(chunks: Sequence[ChunkProgress]) -> list[ChunkProgress]:
    """The leading chunks whose lines can be numbered: all chunks before them are finished."""
    numbered = []
    for index, chunk in enumerate(chunks):
        if chunk.index != index:
            break
        numbered.append(chunk)
        if not chunk.finished:
            break
    return numbered


def _totals(chunks: Sequence[ChunkProgress], settled: EqualKeys | None) -> dict[str, int]:
    """Totals of all chunks. In the chunks, rows that are superseded, combined or refused according
    to `settled` count as written."""
    settled = settled or EqualKeys(None)
    superseded, refused = settled.rows_superseded, settled.rows_refused
    combined = settled.rows_combined
    written = sum(chunk.rows_written for chunk in chunks) - superseded - combined - refused
    return {
        "rows_read": sum(chunk.rows_read for chunk in chunks),
        "rows_written": written,
        "rows_superseded": sum(chunk.rows_superseded for chunk in chunks) + superseded,
        "rows_combined": combined,
        "rows_refused": sum(chunk.rows_refused for chunk in chunks) + refused,
        "blank_lines": sum(chunk.blank_lines for chunk in chunks),
    }


def _line_counts(chunks: Sequence[ChunkProgress], file: File) -> dict[str, int]:
    """Counts the lines of the file by kind. The counts add up to `total`."""
    counts = {
        "skipped": file.skipped_lines,
        "header": file.header_lines,
        "comments": sum(chunk.comment_lines for chunk in chunks),
        "repeated_headers": sum(chunk.repeated_headers for chunk in chunks),
        "blank": sum(chunk.blank_lines for chunk in chunks),
        "end_mark": sum(chunk.end_mark_lines for chunk in chunks),
        "rows": sum(chunk.row_lines for chunk in chunks),
    }
    return counts | {"total": sum(counts.values())}


def _warnings(chunks: Sequence[ChunkProgress], lines_before_data: int) -> dict[str, dict[str, Any]]:
    """The warnings of a load, by kind: how many rows, the line of the first one, what it means.

    Chunks after an unfinished one are left out: their lines can't be numbered."""
    warnings: Warnings = {}
    lines = lines_before_data
    for chunk in _numbered(chunks):
        found = {kind: Warned(*warned) for kind, warned in chunk.warnings.items()}
        warnings = merged(warnings, found, lines)
        lines += chunk.lines
    return {
        kind: {**warned._asdict(), "meaning": WARNINGS[kind]}
        for kind, warned in sorted(warnings.items())
    }


def rows_per_second(chunks: Sequence[ChunkProgress], since: str | None = None) -> int | None:
    """Rows written per second in which a chunk was being written, by an execution that started at
    `since`. None if that time is too short to measure. Chunks written by an earlier release,
    which recorded no times, do not count."""
    rounds = [
        one for chunk in chunks for one in chunk.rounds_written() if one.began >= (since or "")
    ]
    seconds = 0.0
    until = datetime.min.replace(tzinfo=UTC)
    for one in sorted(rounds):
        first, last = datetime.fromisoformat(one.began), datetime.fromisoformat(one.ended)
        if last > until:
            seconds += (last - max(first, until)).total_seconds()
            until = last
    written = sum(one.rows for one in rounds)
    return round(written / seconds) if seconds else None


def _summary(totals: Mapping[str, int]) -> str:
    combined = f"{totals['rows_combined']:,} combined, " if totals["rows_combined"] else ""
    return (
        f"{totals['rows_read']:,} rows read: {totals['rows_written']:,} written, "
        f"{combined}{totals['rows_superseded']:,} superseded, {totals['rows_refused']:,} refused."
    )
