"""Defines the inputs and results of the state machine's tasks, and the objects within them.

Most are frozen dataclasses that are converted to JSON, from JSON, or both. The state machine passes
the JSON on, so `Parameters`, `ItemSelector` and `ResultSelector` in its definition name these
fields. RefusedRow is a NamedTuple: it is never passed to the state machine, and the parts in the
work bucket store it as a JSON array.

An execution that began before the stack was updated passes the JSON of the earlier release. Only
this module sets defaults for the fields that may be missing. Unknown fields are ignored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple, Self


class _Contract:
    """Converts a dataclass to and from JSON. Its fields must be plain JSON values."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # every subclass is a dataclass

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Creates an instance from its JSON. Raises TypeError if a field without a default is
        missing."""
        names = [one.name for one in fields(cls)]  # type: ignore[arg-type]  # as above
        return cls(**{name: value[name] for name in names if name in value})


def _with_original(value: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a contract, with `resubmits` converted from JSON."""
    original = value.get("resubmits")
    return {**value, "resubmits": Original.from_json(original) if original else None}


@dataclass(frozen=True)
class Original(_Contract):
    """The object version that corrected rows belong to, and the load that refused them."""

    bucket: str
    key: str
    version_id: str | None
    """None in an unversioned bucket."""
    load_id: str
    execution: str
    """The name of the execution whose refused rows were corrected."""

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class LoadRequest(_Contract):
    """The input of an execution: the object to load.

    `bucket` and `key` are enough to start an execution by hand. The notification of an upload
    provides the other fields, except `force`.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    uploader: str | None = None
    force: bool = False
    """Whether to load the object again if it has been loaded already."""
    why: str | None = None
    """`ingest`, `force`, `replay` or `resubmit` for an execution that a person started;
    None if an upload started it."""
    started_by: str | None = None
    """The ARN of the person or role that started the execution. None if an upload started it, or if
    it is not known."""
    reason: str | None = None
    """Why it was started, in the words of the person who started it."""
    resubmits: Original | None = None
    """What the object's rows belong to, if they are corrected rows of another load. Otherwise
    None."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return super().from_json(_with_original(value))


@dataclass(frozen=True)
class Reason(_Contract):
    """Why a file is refused: a code, and sentences in `detail` that explain it."""

    reason: str
    detail: str
    line: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class File(_Contract):
    """An accepted file: the pinned object, and how to read its rows."""

    bucket: str
    key: str
    version_id: str | None
    """None in an unversioned bucket, where `etag` pins the content."""
    etag: str | None
    size: int
    """Size of the object in S3, in bytes. If the object is compressed, its compressed size."""
    compression: str | None
    """`gzip` or None."""
    delimiter: str
    columns: dict[str, int]
    """The zero-based column of each of the source's fields that the file has."""
    width: int
    """The number of fields in the header. Every row must have as many. A delimiter at the end of
    the header or of a row adds none."""
    data_start: int
    """Offset of the first byte after the header, in the text: unpacked, and as UTF-8."""
    header_lines: int
    header: dict[str, Any] | None = None
    """Size and digest of the header line, to recognize repeated headers. None if the file has no
    header, and in executions of an earlier release."""
    table_id: str | None = None
    """The TableId of the table that the load was validated for. None if an emulator returns none.
    May be missing in executions of an earlier release."""
    skipped_lines: int = 0
    """Lines above the header, which are not read. Missing in executions of an earlier release."""
    source: dict[str, Any] | None = None
    """The source's name, its SHA-256, its declaration and perhaps the attribute for lineage, see
    `ingestion.sources`. It travels with the file, so that an update of the stack in the middle of
    a load changes nothing. None in executions of an earlier release, which knew the built-in source
    only."""
    encoding: str = "utf_8"
    """The name of a Python codec. Missing in executions of an earlier release."""
    resubmits: Original | None = None
    """What the rows belong to, if they are corrected rows of another load. Missing in executions of
    an earlier release."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return super().from_json(_with_original(value))

    @property
    def declaration(self) -> dict[str, Any] | None:
        """The declaration of the file's source, as `generation` takes it."""
        return self.source["declaration"] if self.source else None

    @property
    def lineage(self) -> str | None:
        """The attribute for lineage, as `generation` takes it."""
        return self.source.get("lineage") if self.source else None

    @property
    def is_rewritten(self) -> bool:
        """Whether Split File writes the text to the work bucket, unpacked and as UTF-8, because it
        can't be read by ranges of the object."""
        return self.compression is not None or self.encoding != "utf_8"

    @property
    def lines_before_data(self) -> int:
        return self.skipped_lines + self.header_lines

    @property
    def origin_key(self) -> str:
        """The key of the object that the rows belong to. Its source applies."""
        return self.resubmits.key if self.resubmits else self.key

    @property
    def claimed_url(self) -> str:
        """The address of the object that the rows belong to, which the load claims."""
        return self.resubmits.object_url if self.resubmits else f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Verdict:
    """The result of Validate File. It has every field that a later state names."""

    verdict: str
    """`accepted`, `refused` or `already_loaded`."""
    summary: str
    reasons: list[Reason]
    load_id: str | None
    file: File | None
    """None unless the file is accepted."""
    plan: "Plan | None" = None
    """The plan of a small file that can be written at once. If it is None, Split File makes the
    plan of an accepted file."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Unread(_Contract):
    """Data that could not be read as records. `line` and `bytes` are None if they are unknown,
    as for damaged gzip data."""

    reason: str
    line: int | None
    bytes: int | None


@dataclass(frozen=True)
class Plan:
    """The plan of a load, made by Split File, or by Validate File for a small file."""

    bucket: str
    key: str
    """The object in the work bucket that has the chunks, as a JSON array. `bucket` and `key`
    are empty if `chunk` is the only chunk."""
    chunks: int
    """The number of chunks in the plan."""
    data_end: int
    """Offset at which the last chunk ends, in the text: unpacked, and as UTF-8."""
    unread: Unread | None
    """Why the rest of a compressed file could not be unpacked. None if all of it was unpacked."""
    generation: str = ""
    """The generation of the load's entries and digests, see `ingestion.generation`. Empty in
    plans of an earlier release."""
    digest_key: str = ""
    """The random key of the load's digests, in hexadecimal. Empty in plans of an earlier release.
    """
    refusal: Reason | None = None
    """Why the file is refused. There is no plan in the work bucket then, and no chunk."""
    chunk: "Chunk | None" = None
    """The only chunk of a small file. None in the plans of Split File."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        unread, refusal, chunk = value["unread"], value.get("refusal"), value.get("chunk")
        return cls(
            value["bucket"],
            value["key"],
            value["chunks"],
            value["data_end"],
            Unread.from_json(unread) if unread else None,
            value.get("generation", ""),
            value.get("digest_key", ""),
            Reason.from_json(refusal) if refusal else None,
            Chunk.from_json(chunk) if chunk else None,
        )


@dataclass(frozen=True)
class Chunk(_Contract):
    """A half-open byte range of one object version. It begins and ends at boundaries of records."""

    index: int
    bucket: str
    key: str
    version: str | None
    start: int
    end: int
    lines_before: int | None = None
    """Lines of the file before the chunk. None if the source doesn't store line numbers, which
    are the only reason to count lines beforehand."""


@dataclass(frozen=True)
class TurnRequest:
    """The input of Take Turn."""

    load_id: str
    file: File
    execution_arn: str = ""
    """The ARN of the execution. Empty in executions of an earlier release, which take no slot."""
    started_at: str = ""
    """When the execution started."""
    waits_for: str | None = None
    waited_since: str | None = None
    """`waits_for` and `waited_since` are copied from the last Turn. None if there was none."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            value["load_id"],
            File.from_json(value["file"]),
            value.get("execution_arn", ""),
            value.get("started_at", ""),
            value.get("waits_for"),
            value.get("waited_since"),
        )


@dataclass(frozen=True)
class Turn(_Contract):
    """The result of Take Turn."""

    turn: str
    """One of:

    - `mine`: write now.
    - `wait`: call it again after `seconds`.
    - `overtaken`: a later version has claimed the object.
    """
    waits_for: str | None = None
    """One of:

    - `execution`: a running execution has claimed the same version of the object. - `writers`:
    functions that write an earlier version, or belong to an earlier execution, may still be
    running. - `slot`: as many loads as allowed are writing. - `line`: the same, and too many of the
    waiting loads were started earlier.
    """
    seconds: int | None = None
    waited_since: str | None = None
    """When it began to wait for this."""


@dataclass(frozen=True)
class ChunkTask:
    """The input of Write Chunk: one chunk of a load."""

    load_id: str
    file: File
    chunk: Chunk
    chunks: int = 1
    """The number of chunks of the load. This field and the next three may be missing in executions
    of an earlier release."""
    generation: str = ""
    digest_key: str = ""
    """`generation` and `digest_key` are copied from the plan."""
    max_seconds: float | None = None
    """Seconds after which the call ends with a checkpoint, even if Lambda would allow more. None if
    it may take as long as Lambda allows."""
    execution: str = ""
    """The name of the execution, under which an error of the chunk is recorded."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            value["load_id"],
            File.from_json(value["file"]),
            Chunk.from_json(value["chunk"]),
            value.get("chunks", 1),
            value.get("generation", ""),
            value.get("digest_key", ""),
            value.get("max_seconds"),
            value.get("execution") or "",
        )


class RefusedRow(NamedTuple):
    """A row that is not in the table, because it is refused or superseded.

    `line` is counted from the start of the chunk in parts, and from the start of the file in the
    joined CSV file.
    """

    line: int
    column: str
    reason: str
    raw: str


@dataclass(frozen=True)
class ChunkResult(_Contract):
    """The result of Write Chunk: the progress of the chunk over all its calls."""

    index: int
    finished: bool
    overtaken: bool
    """Whether writing stopped because another load, usually of a later version, has claimed the
    object."""
    table_replaced: bool
    """Whether this call recorded nothing, because the table isn't the one that the load was
    validated for."""
    next_byte: int
    rows_read: int
    rows_written: int
    rows_superseded: int
    rows_refused: int
    throttles: int


@dataclass(frozen=True)
class EqualKeysResult(_Contract):
    """The result of Settle Equal Keys."""

    state: str
    """One of:

    - `settled`
    - `unsettled`: call it again.
    - `waiting`: call it again after the leases of the load's last writers have expired.
    - `overtaken`: another load, usually of a later version, has claimed the object.
    - `table_replaced`: the table isn't the one that the load was validated for.
    """
    rows_superseded: int = 0
    """Rows found so far that a row in a later chunk supersedes."""
    rows_combined: int = 0
    """Rows added so far to another row with the same key, if the source adds them up."""
    rows_refused: int = 0
    """Rows found so far that are refused because of other rows with the same key."""
    rows_put_again: int = 0
    """Rows that were put again, with the totals of their key, or because an earlier row with the
    same key may have been written after them."""


@dataclass(frozen=True)
class ErrorGroup(_Contract):
    """The chunks of a load that failed with the same error."""

    error: str
    """The name of the error; for one of AWS, its code."""
    message: str
    chunks: int
    """How many chunks."""
    indexes: str
    """Which chunks, as text: `0-3, 7`."""


@dataclass(frozen=True)
class LoadResult(_Contract):
    """The result of Reconcile."""

    complete: bool
    """Whether the load has succeeded: every byte and every row is accounted for, equal keys are
    settled, and no quality limit is exceeded."""
    overtaken: bool
    """Whether the load is incomplete because another load, usually of a later version, has claimed
    the object."""
    equal_keys: str
    """One of:

    - `settled`
    - `unsettled`: call Settle Equal Keys, and then Reconcile again.
    - `incomplete`: they are not settled, and this execution can't settle them. For example, the
      keys of unfinished chunks are not known.
    """
    summary: str
    rows_read: int
    """The sum of the next four."""
    rows_written: int
    rows_superseded: int
    rows_combined: int
    """Rows that were added to another row with the same key, if the source adds them up."""
    rows_refused: int
    throttles: int
    chunks: int
    chunks_finished: int
    refused_rows: str | None
    """The `s3://` address of the CSV file that lists the rows that are not in the table. If there
    are too many for the file, the address of a manifest. None if there are no such rows."""
    report: str
    """The `s3://` address of the JSON report."""
    errors: list[ErrorGroup] = field(default_factory=list)
    """The errors with which the unfinished chunks failed in this execution, the most frequent
    first. A chunk whose function was ended by Lambda has recorded none."""
