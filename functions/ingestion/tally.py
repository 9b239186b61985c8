"""The counts of one round of a chunk: every record that is read is accounted for here, once."""

from dataclasses import replace
from typing import Any, NamedTuple

from ingestion.errors import AccountingError
from ingestion.ledger import ChunkProgress
from ingestion.records import Record, line_of_problem
from ingestion.refused import RefusedRow, refused_row
from ingestion.rows import Key, Refusal, Row


class Reached(NamedTuple):
    """What a round has accounted for up to some record."""

    next_byte: int
    lines: int
    blank_lines: int
    rows_read: int
    rows_superseded: int
    rows_refused: int
    listed: int
    """How many of the round's refused and superseded rows are listed by then."""


class Tally:
    """The running counts of one round, which goes on from ``progress``."""

    def __init__(self, progress: ChunkProgress) -> None:
        self.before = progress
        self.seen: dict[Key, tuple[int, bytes]] = {}
        """Line and text of the last row of each key, should a later one supersede it."""
        self.listed: list[RefusedRow] = []
        self.unread: dict[str, Any] | None = None
        self._first_byte, self._first_line = progress.next_byte, progress.lines
        self._next_byte, self._lines = progress.next_byte, progress.lines
        self._blank_lines = progress.blank_lines
        self._rows_read = progress.rows_read
        self._rows_superseded = progress.rows_superseded
        self._rows_refused = progress.rows_refused

    def reached(self) -> Reached:
        return Reached(
            self._next_byte,
            self._lines,
            self._blank_lines,
            self._rows_read,
            self._rows_superseded,
            self._rows_refused,
            len(self.listed),
        )

    def remember(self, record: Record, outcome: Row | Refusal) -> None:
        """Take note of a row that an earlier round has accounted for."""
        if isinstance(outcome, Row):
            self.seen[outcome.key] = record.line, record.raw

    def count_blank(self, record: Record) -> None:
        self._advance(record)
        self._blank_lines += 1

    def count(self, record: Record, outcome: Row | Refusal) -> None:
        self._advance(record)
        self._rows_read += 1
        line = self._first_line + record.line
        if isinstance(outcome, Refusal):
            self._rows_refused += 1
            self.listed.append(refused_row(line, outcome.column, outcome.reason, record.raw))
            return
        earlier = self.seen.get(outcome.key)
        if earlier is not None:
            self._rows_superseded += 1
            self.listed.append(refused_row(earlier[0], "", "superseded", earlier[1]))
        self.seen[outcome.key] = line, record.raw

    def give_up(self, record: Record, end: int, delimiter: bytes, lines: int) -> None:
        """Account for the rest of the chunk, which can't be read as records and has ``lines``."""
        self.unread = {
            "reason": record.problem,
            "line": self._first_line + line_of_problem(record, delimiter),
            "bytes": end - self._next_byte,
        }
        self.count(record, Refusal("", record.problem or ""))
        self._next_byte = end
        self._lines = self._first_line + record.line - 1 + lines

    def _advance(self, record: Record) -> None:
        self._next_byte = self._first_byte + record.end
        self._lines = self._first_line + record.line + record.lines

    def check(self, items_written: int, items_replaced: int) -> None:
        """Compare what was counted with what the table acknowledged, once all of it has been.

        Raises AccountingError.
        """
        before = self.before
        if self._next_byte != before.end:
            raise AccountingError(
                f"Chunk {before.index} ends at byte {before.end}, but {self._next_byte} was read."
            )
        refused = self._rows_refused - before.rows_refused
        accepted = self._rows_read - before.rows_read - refused
        written = self._rows_read - self._rows_superseded - self._rows_refused
        if items_written + items_replaced != accepted or len(self.seen) != written:
            raise AccountingError(
                f"Chunk {before.index}: {accepted} rows accepted, {items_written} items written, "
                f"{items_replaced} replaced; {written} rows counted as written, "
                f"{len(self.seen)} keys seen."
            )

    def progress(self, reached: Reached, *, finished: bool, part: str | None) -> ChunkProgress:
        """What to record of the chunk; ``part`` is the key of the round's refused rows, if any."""
        before = self.before
        return replace(
            before,
            next_byte=reached.next_byte,
            finished=finished,
            lines=reached.lines,
            blank_lines=reached.blank_lines,
            rows_read=reached.rows_read,
            rows_written=reached.rows_read - reached.rows_superseded - reached.rows_refused,
            rows_superseded=reached.rows_superseded,
            rows_refused=reached.rows_refused,
            refused_parts=[*before.refused_parts, part] if part else before.refused_parts,
            unread=self.unread if finished else None,
        )
