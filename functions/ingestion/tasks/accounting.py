"""The counts of one round of a chunk: every record that is read is accounted for here, once."""

from dataclasses import replace
from typing import Any, NamedTuple

from ingestion.csv_files.equal_keys import KeyDigests
from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.records import Record, line_of_problem
from ingestion.csv_files.refused_rows import RefusedRow, refused_row
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.s3.refused_rows import PartWriter, Series


class Reached(NamedTuple):
    """What is accounted for of a chunk, over all its rounds, up to the end of some record."""

    next_byte: int
    lines: int
    blank_lines: int
    rows_accepted: int
    """Written, or superseded by a later row."""
    rows_refused: int

    def after(self, page: Page) -> "Reached":
        return Reached(
            self.next_byte + len(page.text),
            self.lines + page.lines,
            self.blank_lines + page.blank_lines,
            self.rows_accepted + len(page.requests),
            self.rows_refused + len(page.refused),
        )


class Place(NamedTuple):
    """A place behind a row: ``page`` begins where ``reached`` ends, and the row is the last of its
    first so many ``accepted`` ones."""

    reached: Reached
    page: Page
    accepted: int


class Tally:
    """The running counts of one round, which goes on from ``progress``. ``refused`` takes the rows
    that are refused, behind those of ``progress``."""

    def __init__(self, progress: ChunkProgress, refused: PartWriter) -> None:
        self.before = progress
        self.reached = Reached(
            progress.next_byte,
            progress.lines,
            progress.blank_lines,
            progress.rows_written + progress.rows_superseded,
            progress.rows_refused,
        )
        self.keys = KeyDigests()
        """Of all accepted rows from the chunk's start on."""
        self._refused = refused
        self._first_refused = progress.first_refused
        self._unread: dict[str, Any] | None = None

    def remember(self, page: Page) -> None:
        """Take note of rows that an earlier round has accounted for."""
        self.keys.add(page.keys)

    def place(self, page: Page, accepted: int) -> Place:
        """A place in the page that is to be counted next."""
        return Place(self.reached, page, accepted)

    def place_behind(self) -> Place:
        """The place behind everything that is counted."""
        return Place(self.reached, Page(b""), 0)

    def count(self, page: Page) -> None:
        """Count a page. It keeps no refused rows: a page may have very many, and be kept for long
        until the table has taken its other ones."""
        for row in page.refused:
            self._refuse(row._replace(line=self.reached.lines + row.line))
        self.keys.add(page.keys)
        self.reached = self.reached.after(page)
        page.refused.clear()

    def _refuse(self, row: RefusedRow) -> None:
        if self._first_refused is None:
            self._first_refused = {"line": row.line, "column": row.column, "reason": row.reason}
        self._refused.add(row)

    def go_back(self, place: Place, part: Page) -> None:
        """Count nothing behind a place. ``part`` is its page up to there."""
        self.reached = place.reached
        self._refused.go_back(self.reached.rows_refused)
        if self.reached.rows_refused == 0:
            self._first_refused = None
        self.keys.keep(self.reached.rows_accepted)
        self.count(part)

    def give_up(self, rest: bytes, problem: str, end: int, delimiter: bytes, lines: int) -> None:
        """Account for what is left of the chunk, which can't be read as records and has ``lines``.
        ``rest`` is as much of it as was looked at."""
        record = Record(rest, self.reached.lines + 1, end, problem)
        self._unread = {
            "reason": problem,
            "line": line_of_problem(record, delimiter),
            "bytes": end - self.reached.next_byte,
        }
        self._refuse(refused_row(record.line, "", problem, rest))
        self.reached = self.reached._replace(
            next_byte=end,
            lines=self.reached.lines + lines,
            rows_refused=self.reached.rows_refused + 1,
        )

    def check(self, items_written: int, items_replaced: int) -> None:
        """Compare what was counted with what the table acknowledged, once all of it has been.

        Raises AccountingError.
        """
        before, reached = self.before, self.reached
        if reached.next_byte != before.end:
            raise AccountingError(
                f"Chunk {before.index} ends at byte {before.end}, but {reached.next_byte} was read."
            )
        accepted = reached.rows_accepted - before.rows_written - before.rows_superseded
        if items_written + items_replaced != accepted or len(self.keys) != reached.rows_accepted:
            raise AccountingError(
                f"Chunk {before.index}: {accepted} rows accepted, {items_written} items written, "
                f"{items_replaced} replaced; {len(self.keys)} keys noted for "
                f"{reached.rows_accepted} rows."
            )

    def progress(
        self, superseded: "Superseded | None", *, throttles: int, times: list[str]
    ) -> ChunkProgress:
        """What to record of the chunk, of whose call these are the ``times`` of begin and end.

        ``superseded`` is known of a finished chunk, and None at a checkpoint: until a chunk is
        finished, its superseded rows count as written.
        """
        before, reached = self.before, self.reached
        finished = superseded is not None
        refused = self._refused.finish() if finished else self._refused.pause()
        rows_superseded = superseded.rows if superseded else 0
        return replace(
            before,
            next_byte=reached.next_byte,
            finished=finished,
            lines=reached.lines,
            blank_lines=reached.blank_lines,
            rows_read=reached.rows_accepted + reached.rows_refused,
            rows_written=reached.rows_accepted - rows_superseded,
            rows_superseded=rows_superseded,
            rows_refused=reached.rows_refused,
            refused_parts=refused.complete,
            refused_open_rows=refused.open_rows,
            superseded_parts=superseded.parts if superseded else 0,
            first_refused=self._first_refused,
            unread=self._unread if finished else None,
            throttles=before.throttles + throttles,
            rounds=[*before.rounds, times],
        )


class Superseded(NamedTuple):
    """The rows of a chunk that a later row of the chunk supersedes."""

    rows: int
    parts: int
    """In the work bucket."""


def series_of_chunk(load_id: str, progress: ChunkProgress) -> tuple[Series, Series]:
    """The parts of a chunk's refused rows and those of its superseded rows."""
    prefix = f"refused-rows/{load_id}/parts/{progress.index:06d}-"
    return (
        Series(f"{prefix}refused-", progress.refused_parts, progress.refused_open_rows),
        Series(f"{prefix}superseded-", progress.superseded_parts),
    )
