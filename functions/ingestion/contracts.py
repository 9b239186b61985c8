"""What the tasks of the state machine hand to each other.

Each contract is a frozen dataclass with one way to JSON and one way back. The JSON travels through
the state machine, so the definition's ``ResultSelector`` and ``Parameters`` name these fields.

An execution that began before the stack was updated carries the JSON of the earlier release. A
field that it may lack has a default here, and nowhere else; unknown fields are ignored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Self


class _Contract:
    """JSON conversion of a dataclass whose fields are plain JSON values."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # every subclass is a dataclass

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The contract from its JSON. Raises TypeError if a field without a default is missing."""
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # as above
        return cls(**{name: value[name] for name in names if name in value})


@dataclass(frozen=True)
class LoadRequest(_Contract):
    """The input of an execution: which object to load. ``bucket`` and ``key`` are enough to start
    one by hand; an upload's notification tells the rest."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    uploader: str | None = None
    force: bool = False
    """Load the object again although it has been loaded already."""


@dataclass(frozen=True)
class Reason(_Contract):
    """Why a file is refused. ``detail`` is a sentence that says what to do about it."""

    reason: str
    detail: str
    line: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class File(_Contract):
    """An accepted file: the pinned object, and how its rows are to be read."""

    bucket: str
    key: str
    version_id: str | None
    """None in a bucket without versions; ``etag`` pins the content then."""
    etag: str | None
    size: int
    """Bytes of the object, compressed or not."""
    compression: str | None
    """``gzip`` or None."""
    delimiter: str
    columns: dict[str, int]
    """Zero-based field of each column that is stored."""
    width: int
    """How many fields the header has, and so every row must have."""
    data_start: int
    """Offset of the first byte after the header, in the uncompressed data."""
    header_lines: int
    header: dict[str, Any] | None = None
    """Size and digest of the header's line, by which repeated headers are recognised. An earlier
    release's execution lacks it."""
    table_id: str | None = None
    """DynamoDB's id of the table that the load was validated for. None where an emulator gives
    none; an earlier release's execution may lack it."""

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Verdict:
    """What Validate File answers, with every field that a later state names."""

    verdict: str
    """``accepted``, ``refused`` or ``already_loaded``."""
    summary: str
    reasons: list[Reason]
    load_id: str | None
    file: File | None
    """None unless the file is accepted."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Unread(_Contract):
    """Data that could not be read as records. ``line`` and ``bytes`` are None if they are unknown,
    as in damaged gzip data."""

    reason: str
    line: int | None
    bytes: int | None


@dataclass(frozen=True)
class Plan:
    """What Split File answers: where the plan (a JSON array of chunks) is, and what it covers."""

    bucket: str
    key: str
    chunks: int
    """How many chunks the plan has."""
    data_end: int
    """Offset at which the last chunk ends."""
    unread: Unread | None
    """What could not be unpacked, if anything."""
    generation: str = ""
    """What the load's entries and digests belong to, see ``ingestion.generation``. An earlier
    release's plan has none."""
    digest_key: str = ""
    """The random key of the load's digests, in hexadecimal. An earlier release's plan has none."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        unread = value["unread"]
        return cls(
            value["bucket"],
            value["key"],
            value["chunks"],
            value["data_end"],
            Unread.from_json(unread) if unread else None,
            value.get("generation", ""),
            value.get("digest_key", ""),
        )


@dataclass(frozen=True)
class Chunk(_Contract):
    """A half-open byte range of one object version that begins and ends at records."""

    index: int
    bucket: str
    key: str
    version: str | None
    start: int
    end: int


@dataclass(frozen=True)
class ChunkTask:
    """What Write Chunk is given: one chunk of a load."""

    load_id: str
    file: File
    chunk: Chunk
    chunks: int = 1
    """How many chunks the load has. An earlier release's execution may lack it, and the next two.
    """
    generation: str = ""
    digest_key: str = ""
    """Both are the plan's."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            value["load_id"],
            File.from_json(value["file"]),
            Chunk.from_json(value["chunk"]),
            value.get("chunks", 1),
            value.get("generation", ""),
            value.get("digest_key", ""),
        )


class RefusedRow(NamedTuple):
    """A row that is not in the table. ``line`` is counted from the chunk's start in a part, from
    the file's in the joined file."""

    line: int
    column: str
    reason: str
    raw: str


@dataclass(frozen=True)
class ChunkResult(_Contract):
    """What Write Chunk answers: how far the chunk has got, counted from its start."""

    index: int
    finished: bool
    overtaken: bool
    """Whether writing stopped because a later version of the object has claimed it."""
    table_replaced: bool
    """Whether nothing was recorded because the table isn't the one that the load was validated
    for."""
    next_byte: int
    rows_read: int
    rows_written: int
    rows_superseded: int
    rows_refused: int
    throttles: int


@dataclass(frozen=True)
class EqualKeysResult(_Contract):
    """What Settle Equal Keys answers."""

    state: str
    """``settled``, ``unsettled`` (call it again), ``waiting`` (call it again when the load's last
    writers are gone), ``overtaken`` (a later version of the object has taken over) or
    ``table_replaced`` (the table isn't the one that the load was validated for)."""
    rows_superseded: int
    """Rows that a row in a later chunk supersedes, as far as they are found."""
    rows_put_again: int
    """Rows that were put again because an earlier row may have been written after them."""


@dataclass(frozen=True)
class LoadResult(_Contract):
    """What Reconcile answers."""

    complete: bool
    """Whether the load has succeeded: every byte and every row is accounted for, and no quality
    limit is exceeded."""
    overtaken: bool
    """Whether it is incomplete because a later version of the object has taken over."""
    equal_keys: str
    """``settled``; ``unsettled`` if Settle Equal Keys has to be called first, and Reconcile again
    after it; or ``incomplete``, since those of unfinished chunks are not known."""
    summary: str
    rows_read: int
    rows_written: int
    rows_superseded: int
    rows_refused: int
    throttles: int
    chunks: int
    chunks_finished: int
    refused_rows: str | None
    """``s3://`` address of the CSV file that lists the rows that are not in the table."""
    report: str
    """``s3://`` address of the JSON report."""
