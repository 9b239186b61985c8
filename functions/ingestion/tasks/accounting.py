"""The counts of one round of a chunk: every record that is read is accounted for here, once."""

from dataclasses import replace
from typing import NamedTuple

from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.key_digests import Digest, KeyDigests
from ingestion.csv_files.refused_rows import RefusedRow
from ingestion.csv_files.sections import Section
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import refused_rows_prefix
from ingestion.s3.refused_rows import PartWriter, Series


class Reached(NamedTuple):
    """What is accounted for of a chunk, over all its rounds, up to the end of some record."""

    next_byte: int
    row_lines: int
    blank_lines: int
    repeated_headers: int
    end_mark_lines: int
    line_ends: int
    rows_accepted: int
    """Written, or superseded by a later row."""
    rows_refused: int

    @property
    def lines(self) -> int:
        return self.row_lines + self.blank_lines + self.repeated_headers + self.end_mark_lines

    def after(self, page: Page) -> "Reached":
        section = page.section
        return Reached(
            self.next_byte + section.size,
            self.row_lines + page.row_lines,
            self.blank_lines + page.blank_lines,
            self.repeated_headers + page.repeated_headers,
            self.end_mark_lines + section.end_mark_lines,
            self.line_ends + section.line_ends,
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

    def __init__(self, progress: ChunkProgress, digest: Digest, refused: PartWriter) -> None:
        self.before = progress
        self.reached = Reached(
            progress.next_byte,
            progress.row_lines,
            progress.blank_lines,
            progress.repeated_headers,
            progress.end_mark_lines,
            progress.line_ends,
            progress.rows_written + progress.rows_superseded,
            progress.rows_refused,
        )
        self.keys = KeyDigests(digest)
        """Of all accepted rows from the chunk's start on."""
        self._refused = refused
        self._first_refused = progress.first_refused

    def remember(self, page: Page) -> None:
        """Take note of rows that an earlier round has accounted for."""
        self.keys.add(page.keys)

    def place(self, page: Page, accepted: int) -> Place:
        """A place in the page that is to be counted next."""
        return Place(self.reached, page, accepted)

    def place_behind(self) -> Place:
        """The place behind everything that is counted."""
        return Place(self.reached, Page(Section(b"", 0)), 0)

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
        self, *, throttles: int, times: list[str], finished: "Finished | None"
    ) -> ChunkProgress:
        """What to record of the chunk: the round's ``times``, and, if the chunk is finished, what
        its keys say. Writes what is left of the refused rows to the work bucket.

        Superseded rows are counted when the chunk is finished; until then they count as written.
        """
        before, reached = self.before, self.reached
        superseded = finished.superseded if finished else 0
        refused = self._refused.finish() if finished else self._refused.pause()
        return replace(
            before,
            next_byte=reached.next_byte,
            finished=finished is not None,
            lines=reached.lines,
            row_lines=reached.row_lines,
            blank_lines=reached.blank_lines,
            repeated_headers=reached.repeated_headers,
            end_mark_lines=reached.end_mark_lines,
            line_ends=reached.line_ends,
            rows_read=reached.rows_accepted + reached.rows_refused,
            rows_written=reached.rows_accepted - superseded,
            rows_superseded=superseded,
            rows_refused=reached.rows_refused,
            refused_parts=refused.complete,
            refused_open_rows=refused.open_rows,
            superseded_parts=finished.superseded_parts if finished else 0,
            first_refused=self._first_refused,
            throttles=before.throttles + throttles,
            rounds=[*before.rounds, times],
            distinct_keys=finished.distinct_keys if finished else 0,
            repeated_keys=finished.repeated_keys if finished else 0,
        )


class Finished(NamedTuple):
    """What the keys of a whole chunk say."""

    superseded: int
    """Rows that a later row of the chunk supersedes,"""
    superseded_parts: int
    """and the parts in the work bucket that list them."""
    distinct_keys: int
    repeated_keys: int


def chunk_series(load_id: str, generation: str, progress: ChunkProgress) -> tuple[Series, Series]:
    """The parts of a chunk's refused rows, and those of its superseded rows."""
    prefix = refused_rows_prefix(load_id, generation, progress.index)
    return (
        Series(f"{prefix}refused-", progress.refused_parts, progress.refused_open_rows),
        Series(f"{prefix}superseded-", progress.superseded_parts),
    )
