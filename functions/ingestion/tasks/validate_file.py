"""The task Validate File: accepts an object, or refuses it and gives the reasons.

If an accepted file is small and nothing else may be writing it, the task also makes the plan, so
that the file can be written at once.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.contracts import Chunk, File, LoadRequest, Original, Plan, Reason, Verdict
from ingestion.csv_files.gzip_stream import (
    GZIP_MAGIC,
    MAX_FILE_BYTES,
    MAX_UNPACKED_BYTES,
    Unpacker,
)
from ingestion.csv_files.header import HEAD_SIZE, FileFacts, examine
from ingestion.csv_files.key_digests import new_secret
from ingestion.csv_files.rows import layout_of
from ingestion.errors import IngestionError, ObjectChanged, ObjectGone, ObjectUnreadable
from ingestion.generation import generation
from ingestion.ledger.attempts import ALREADY_LOADED, FAILED
from ingestion.ledger.claims import Claim
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.names import forced_load_id, load_id
from ingestion.s3.objects import ObjectState, PinnedObject, pin, read_blocks
from ingestion.sources.catalogue import Sources
from ingestion.sources.declaration import source_record
from ingestion.sources.lineage import lineage_problem, with_lineage
from ingestion.sources.model import Source
from ingestion.tasks.file_source import source_facts
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.target_table import TargetTable, mismatches

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


MAX_REASONS = 100
"""Reasons that are listed. A source may have thousands of fields, all of which a file may lack, and
Step Functions limits a dead letter to 256 KiB."""

_TOTALS_RESUBMITTED = (
    "The file's source adds up rows with equal keys, and these rows would replace the totals. "
    "Correct the rows in the whole file, and upload it again."
)


class _Head(NamedTuple):
    """The beginning of a file, unpacked."""

    data: bytes
    compression: str | None
    complete: bool
    """Whether the file ends with `data`."""
    unreadable: Reason | None = None
    """Why S3 doesn't return the object."""


class Validator:
    """Validates objects, using S3, the ledger and the table that they are loaded into. `limits` are
    the load's quality limits. `sources` declare what the objects look like. `chunk_size` (bytes) is
    the one of Split File. `lineage` is the attribute that names the load and the line of each item;
    None if items have no such attribute."""

    def __init__(
        self,
        s3: "S3Client",
        loads: Loads,
        turns: Turns,
        table: TargetTable,
        limits: QualityLimits,
        sources: Sources,
        chunk_size: int,
        lineage: str | None = None,
    ) -> None:
        self._s3 = s3
        self._chunk_size = chunk_size
        self._table = table
        self._loads = loads
        self._limits = limits
        self._sources = sources
        self._lineage = lineage
        self._turns = turns

    def validate(
        self, request: LoadRequest, execution_arn: str, started_at: str | None = None
    ) -> Verdict:
        """Accepts or refuses the object named in an execution's input.

        `started_at` is when the execution started. It is None for an execution that began before
        the stack was updated. Raises only errors that a retry or an operator can resolve.
        """
        open_attempt = partial(self._loads.attempts.open, execution_arn, request, started_at)
        try:
            return self._validate(request, execution_arn, open_attempt)
        except (BotoCoreError, ClientError, IngestionError) as error:
            # If the retries fail too, the execution can't record its end. Its entry then shows why.
            with suppress(BotoCoreError, ClientError):
                open_attempt(error=str(error))
            raise

    def _validate(
        self, request: LoadRequest, execution_arn: str, open_attempt: Callable[..., None]
    ) -> Verdict:
        bucket, key = request.bucket, request.key
        execution, attempts = execution_arn.rpartition(":")[2], self._loads.attempts
        try:
            state = pin(self._s3, bucket, key, request.version_id, request.etag)
            head = self._read_head(state.pinned)
        except (ObjectGone, ObjectChanged, ObjectUnreadable) as error:
            verdict = _refused([_reason(error)], None)
            open_attempt()
            attempts.close(execution, FAILED, {"summary": verdict.summary})
            return verdict
        load = load_id(bucket, key, state.identity)
        if request.force:
            load = forced_load_id(load, execution)
        version_id = state.pinned.version_id
        schema = self._table.schema()
        table_id = schema.table_id if schema else None
        original = request.resubmits
        declared = self._sources.source_for(original.key if original else key)
        source = with_lineage(declared, self._lineage)
        made_for = generation(table_id, source.declaration, source.lineage)
        earlier = self._loaded_already(load, state, made_for, request)
        if earlier:
            open_attempt(earlier.load_id, version_id=version_id)
            attempts.close(execution, ALREADY_LOADED, {})
            return earlier
        open_attempt(load, version_id=version_id)
        record = asdict(state.pinned) | {
            "object_url": f"s3://{bucket}/{key}",
            "fingerprint": state.fingerprint,
            "table_id": table_id,
            **source_facts(source_record(source)),
        }
        if request.uploader:  # an execution started by hand has none, and must not erase it
            record["uploader"] = request.uploader
        if original:
            record["resubmits"] = original.to_json()
        facts = self._judge(state.pinned.size, head, source)
        reasons = _shortened(facts) if isinstance(facts, list) else []
        for reason, detail, attribute in mismatches(self._table.name, schema, source):
            reasons.append(Reason(reason, detail, column=attribute))
        if original and source.equal_keys == "sum":
            reasons.append(Reason("totals_resubmitted", _TOTALS_RESUBMITTED))
        if self._lineage:
            key_names = schema.key_names if schema else ()
            if problem := lineage_problem(declared, self._lineage, key_names):
                reasons.append(Reason("lineage_attribute", problem, column=self._lineage))
        if reasons or isinstance(facts, list):
            verdict = _refused(reasons, load)
            self._loads.open_load(load, record, execution_arn)
            self._loads.refuse_load(load, reasons, execution)
            return verdict
        record["unknown_columns"] = list(facts.unknown_columns)
        file = _file(state.pinned, facts, head.compression, table_id, source, original)
        plan = self._plan(load, file, source, made_for) if head.complete else None
        if plan:
            record |= {"plan": plan.to_json(), "generation": plan.generation}
        self._loads.open_load(load, record, execution_arn)
        if plan and not self._turns.claim_alone(Claim.of(file, load, execution_arn)):
            plan = None
        return Verdict("accepted", "The file is accepted.", [], load, file, plan)

    def _plan(self, load: str, file: File, source: Source, made_for: str) -> Plan | None:
        """Returns the plan of a small file for the generation `made_for`.

        It has the same chunk as the plan that Split File would make, so either task can continue a
        load that the other one began. Returns None if the file has to be rewritten, has no rows, or
        has several chunks.
        """
        if file.is_rewritten or not file.data_start < file.size <= self._chunk_size:
            return None
        recorded = self._loads.fix_plan(load, made_for, self._chunk_size, new_secret())
        if file.size > recorded["chunk_size"]:
            return None
        lines_before = file.lines_before_data if source.uses_line else None
        chunk = Chunk(
            0, file.bucket, file.key, file.version_id, file.data_start, file.size, lines_before
        )
        digest_key = recorded["digest_key"]
        return Plan("", "", 1, file.size, None, made_for, digest_key, chunk=chunk)

    def _read_head(self, source: PinnedObject) -> _Head:
        try:
            blocks = read_blocks(self._s3, source, 0, min(source.size, HEAD_SIZE))
            packed = b"".join(blocks)
        except ObjectUnreadable as error:
            return _Head(b"", None, False, _reason(error))
        if not packed.startswith(GZIP_MAGIC):
            return _Head(packed, None, len(packed) == source.size)
        head = b""
        unpacker = Unpacker([packed], source.size)
        for block in unpacker:
            head += block
            if len(head) >= HEAD_SIZE:
                return _Head(head[:HEAD_SIZE], "gzip", False)
        return _Head(head, "gzip", len(packed) == source.size and not unpacker.damaged)

    def _judge(self, size: int, head: _Head, source: Source) -> FileFacts | list[Reason]:
        if head.unreadable:
            return [head.unreadable]
        read_whole = head.compression or source.encoding != "utf_8" or source.uses_line
        most = MAX_UNPACKED_BYTES if read_whole else MAX_FILE_BYTES
        if size > most:
            return [_too_large(size, most)]
        if head.compression and not head.data and not head.complete:
            detail = "The file begins like gzip, but it can't be unpacked."
            return [Reason("corrupt_gzip", detail)]
        facts = examine(head.data, head.complete, self._limits.too_many_refused, source)
        if size > MAX_UNPACKED_BYTES and isinstance(facts, FileFacts):
            delimiter = facts.delimiter.encode()
            layout = layout_of(source, facts.columns, facts.width, delimiter)
            if not layout.judges_line_ends:  # Split File can't tell where a row begins
                return [_too_large(size, MAX_UNPACKED_BYTES)]
        return facts

    def _loaded_already(
        self, load: str, state: ObjectState, made_for: str, request: LoadRequest
    ) -> Verdict | None:
        """Returns the verdict if the table already holds the same version or the same bytes."""
        entry = self._loads.load(load)
        if entry and _is_loaded(entry, made_for):
            return _already_loaded(load, entry)
        if state.fingerprint is None or request.force:
            return None
        pinned, original = state.pinned, request.resubmits
        newest = self._turns.newest(
            original.object_url if original else f"s3://{pinned.bucket}/{pinned.key}"
        )
        if newest is None:
            return None
        entry = self._loads.load(newest.load_id)
        if not entry or not _is_loaded(entry, made_for):
            return None
        if entry.get("fingerprint") != state.fingerprint:
            return None
        # Move the claim to this version, so that a version in between that arrives late loses.
        if not original and not self._turns.move_on(newest, pinned.version_id):
            return None
        return _already_loaded(newest.load_id, entry)


def _reason(error: ObjectGone | ObjectChanged | ObjectUnreadable) -> Reason:
    if isinstance(error, ObjectUnreadable):
        return Reason(error.reason, str(error))
    return Reason("object_gone" if isinstance(error, ObjectGone) else "object_changed", str(error))


def _too_large(size: int, most: int) -> Reason:
    detail = f"The file has {size:,} bytes; split it into files of at most {most:,}."
    return Reason("file_too_large", detail)


def _shortened(reasons: list[Reason]) -> list[Reason]:
    """The first reasons and the last one, which says what to do."""
    left_out = len(reasons) - MAX_REASONS
    if left_out <= 0:
        return reasons
    last = reasons[-1]
    last = replace(last, detail=f"{last.detail} {left_out:,} more problems are not listed.")
    return [*reasons[: MAX_REASONS - 1], last]


def _refused(reasons: list[Reason], load: str | None) -> Verdict:
    summary = " ".join(reason.detail for reason in reasons)
    return Verdict("refused", summary, reasons, load, None)


def _is_loaded(entry: Mapping[str, Any], made_for: str) -> bool:
    """Whether a load has succeeded, and its generation is the current one."""
    return entry.get("status") == "SUCCEEDED" and entry.get("generation") == made_for


def _already_loaded(load: str, entry: Mapping[str, Any]) -> Verdict:
    summary = f"Loaded already on {entry['finished_at']}, as {load}."
    return Verdict("already_loaded", summary, [], load, None)


def _file(
    pinned: PinnedObject,
    facts: FileFacts,
    compression: str | None,
    table_id: str | None,
    source: Source,
    original: Original | None,
) -> File:
    return File(
        **asdict(pinned),
        compression=compression,
        delimiter=facts.delimiter,
        columns=facts.columns,
        width=facts.width,
        data_start=facts.data_start,
        skipped_lines=facts.skipped_lines,
        header_lines=facts.header_lines,
        header=asdict(facts.header) if facts.header else None,
        table_id=table_id,
        source=source_record(source),
        encoding=source.encoding,
        resubmits=original,
    )
