"""Ledger entries of a load's generation: the progress and the errors of its chunks, and the
progress of its equal keys."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ingestion.contracts import ChunkResult
from ingestion.ledger.store import Entries, Entry, now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class ChunkProgress:
    """The progress of one chunk. Lines are counted from the start of the chunk.

    In a checkpoint, `finished` is false, and every row before `next_byte` is accounted for.
    """

    index: int
    start: int
    end: int
    next_byte: int
    finished: bool = False
    lines: int = 0
    """The sum of the five numbers of lines below."""
    row_lines: int = 0
    """Lines of all rows read, including refused rows. A row may have several lines."""
    blank_lines: int = 0
    comment_lines: int = 0
    repeated_headers: int = 0
    end_mark_lines: int = 0
    line_ends: int = 0
    """LF characters in the bytes read, counted independently of records. Reconcile compares them
    with `lines`."""
    rows_read: int = 0
    rows_written: int = 0
    rows_superseded: int = 0
    rows_refused: int = 0
    rows_refused_by_table: int = 0
    """Those of `rows_refused` that comply with the file's rules, but that the table refuses."""
    refused_parts: int = 0
    """Complete parts that list the rows refused by the file's rules, see `s3.refused_rows`."""
    refused_open_rows: int = 0
    """Rows in the incomplete part that a checkpoint wrote after the complete ones."""
    refused_by_table_parts: int = 0
    refused_by_table_open_rows: int = 0
    superseded_parts: int = 0
    first_refused: dict[str, Any] | None = None
    """The first refused row: `{"line", "column", "reason"}`."""
    warnings: dict[str, list[int]] = field(default_factory=dict)
    """For each kind of warning, the number of rows and the line of the first one."""
    throttles: int = 0
    """Responses in which the table accepted less than it was sent."""
    rounds: list[list[str]] = field(default_factory=list)
    """For each call of Write Chunk that made progress, its start and end in ISO 8601, the id of its
    lease, and how many rows it added to `rows_written`. Each call had read what the previous one
    saved, so these calls did not overlap. Those of an earlier release have no number of rows."""
    distinct_keys: int = 0
    """Distinct digests of the accepted rows' keys, which are in the work bucket. 0 until the chunk
    is finished."""
    repeated_keys: int = 0
    """Those of `distinct_keys` that occur more than once in the chunk."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def rounds_written(self) -> list["Round"]:
        """The calls that made progress, with the rows that each has written. Rows of calls that
        have no number count for the first of them."""
        known = sum(int(rows) for _, _, _, *rest in self.rounds for rows in rest)
        left = self.rows_written - known
        found = []
        for began, ended, _, *rest in self.rounds:
            rows, left = (int(rest[0]), left) if rest else (left, 0)
            found.append(Round(began, ended, rows))
        return found

    def result(self, *, overtaken: bool = False, table_replaced: bool = False) -> ChunkResult:
        """Returns the result of Write Chunk for this progress."""
        return ChunkResult(
            index=self.index,
            finished=self.finished,
            overtaken=overtaken,
            table_replaced=table_replaced,
            next_byte=self.next_byte,
            rows_read=self.rows_read,
            rows_written=self.rows_written,
            rows_superseded=self.rows_superseded,
            rows_refused=self.rows_refused,
            throttles=self.throttles,
        )


class Round(NamedTuple):
    """A call of Write Chunk that made progress: its start and end, and the rows it has written."""

    began: str
    ended: str
    rows: int


@dataclass(frozen=True)
class EqualKeys:
    """The progress of settling equal keys, see `tasks.settle_equal_keys`."""

    alone_since: str | None
    """`Claim.alone_since` at the time. If the claim has another value now, another load may have
    written the rows since, and this entry is void."""
    step: int = 0
    """How often the entry was written."""
    settled: bool = False
    slabs: int = 0
    """The number of slabs that all digests are divided into. 0 before the search."""
    slabs_searched: int = 0
    slabs_with_suspects: list[int] = field(default_factory=list)
    suspects: int = 0
    """Digests found in several chunks, or more than once in a chunk in which calls may have
    overlapped."""
    batch: int = 0
    """How many batches of suspects are settled, and so the number of the next one."""
    chunk: int | None = None
    """The chunk of the next batch to continue in. None if no chunk of that batch was begun."""
    line: int = 0
    """The last settled line of `chunk`."""
    are_added: bool = False
    """Whether all rows of the next batch are added up, so that `chunk` and `line` are the place
    up to which the totals are put. Always false if the source doesn't add up rows."""
    totals: str | None = None
    """The object in the work bucket with the totals of the next batch so far. None if there are
    none."""
    open_keys: str | None = None
    """The object in the work bucket with the keys found so far in the next batch. None if there
    are no such keys."""
    parts: str | None = None
    """The object in the work bucket that names the parts with superseded and refused rows, by
    chunk. None if there are no such parts."""
    rows_superseded: int = 0
    rows_combined: int = 0
    """Rows that were added to another row with the same key, in the settled batches."""
    rows_refused: int = 0
    first_refused: dict[str, Any] | None = None
    """The first of `rows_refused`: `{"chunk", "line", "column", "reason"}`, with the line
    counted from the start of the chunk."""
    rows_put_again: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Chunks:
    """Reads and writes ChunkProgress and EqualKeys entries in the ledger table `table`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def chunk(self, load_id: str, generation: str, index: int) -> ChunkProgress | None:
        """Returns the progress of a chunk, or None if none is recorded."""
        entry = self._entries.get(load_id, _chunk_name(generation, index))
        return _known(ChunkProgress, entry) if entry else None

    def all(self, load_id: str, generation: str) -> Iterator[ChunkProgress]:
        """Yields the progress of all recorded chunks of a load, in the order of their indexes."""
        for entry in self._entries.query(load_id, f"chunk#{generation}#"):
            yield _known(ChunkProgress, entry)

    def save(
        self, load_id: str, generation: str, before: ChunkProgress | None, after: ChunkProgress
    ) -> tuple[ChunkProgress, bool]:
        """Replaces `before` by `after`, unless another call has replaced it or the chunk is
        finished. Returns the progress that the ledger has then, and whether it is `after`.

        `before` is None if the chunk had no entry.
        """
        saved = self._entries.put_if(
            load_id,
            _chunk_name(generation, after.index),
            after.to_json() | {"updated_at": now()},
            "finished = :false AND next_byte = :next_byte" if before else "",
            {":false": False, ":next_byte": before.next_byte} if before else {},
        )
        if saved:
            return after, True
        held = self.chunk(load_id, generation, after.index) or after
        # If the response was lost, the SDK has sent the request again, and the condition has failed
        # although the first request saved `after`.
        return held, held.rounds == after.rounds

    def note_error(
        self, load_id: str, generation: str, index: int, execution: str, error: str, message: str
    ) -> None:
        """Records the error with which a call of Write Chunk failed, in place of the last one."""
        values = {"execution": execution, "error": error, "message": message, "at": now()}
        self._entries.put(load_id, _error_name(generation, index), values)

    def errors(self, load_id: str, generation: str, execution: str) -> dict[int, tuple[str, str]]:
        """Returns the last error of each chunk that failed in an execution, as (error, message) by
        the chunk's index. A chunk may have been finished since."""
        prefix = _error_name(generation)
        return {
            int(entry["entry"].removeprefix(prefix)): (entry["error"], entry["message"])
            for entry in self._entries.query(load_id, prefix)
            if entry["execution"] == execution
        }

    def equal_keys(self, load_id: str, generation: str) -> EqualKeys | None:
        """Returns the progress of settling a load's equal keys, or None if none is recorded."""
        entry = self._entries.get(load_id, _equal_keys_name(generation))
        return _known(EqualKeys, entry) if entry else None

    def save_equal_keys(
        self, load_id: str, generation: str, before: EqualKeys | None, after: EqualKeys
    ) -> bool:
        """Replaces `before` by `after`, unless another call has replaced it. Returns whether it
        was replaced. `before` is None if the load had no entry."""
        return self._entries.put_if(
            load_id,
            _equal_keys_name(generation),
            after.to_json() | {"updated_at": now()},
            "step = :step" if before else "",
            {":step": before.step} if before else {},
        )


def _chunk_name(generation: str, index: int) -> str:
    return f"chunk#{generation}#{index:06d}"


def _error_name(generation: str, index: int | None = None) -> str:
    return f"error#{generation}#" + ("" if index is None else f"{index:06d}")


def _equal_keys_name(generation: str) -> str:
    return f"equal-keys#{generation}"


T = TypeVar("T", ChunkProgress, EqualKeys)


def _known(kind: type[T], entry: Entry) -> T:
    """Creates a `kind` from an entry. Attributes that the class does not have are ignored."""
    names = kind.__dataclass_fields__
    return kind(**{name: entry[name] for name in names if name in entry})
