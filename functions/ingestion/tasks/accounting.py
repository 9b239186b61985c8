"""Counts the records of one round of a chunk. Every record that is read is counted once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ingestion.contracts import RefusedRow
from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.key_digests import Digest, KeyDigests
from ingestion.csv_files.row_warnings import Warned, Warnings, merged
from ingestion.csv_files.sections import Section
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import refused_rows_prefix
from ingestion.s3.refused_rows import PartWriter, Series


class Reached(NamedTuple):
    """The counts of a chunk, over all its rounds, from its start to the end of some record."""

    next_byte: int
    row_lines: int
    blank_lines: int
    comment_lines: int
    repeated_headers: int
    end_mark_lines: int
    line_ends: int
    warnings: Warnings
    rows_accepted: int
    """Written, or superseded by a later row."""
    rows_refused: int

    @property
    def lines(self) -> int:
        return (
            self.row_lines
            + self.blank_lines
            + self.comment_lines
            + self.repeated_headers
            + self.end_mark_lines
        )

    def after(self, page: Page) -> "Reached":
        section = page.section
        return Reached(
            self.next_byte + section.size,
            self.row_lines + page.row_lines,
            self.blank_lines + page.blank_lines,
            self.comment_lines + page.comment_lines,
            self.repeated_headers + page.repeated_headers,
            self.end_mark_lines + section.end_mark_lines,
            self.line_ends + section.line_ends,
            merged(self.warnings, page.warnings, self.lines),
            self.rows_accepted + len(page.requests),
            self.rows_refused + len(page.refused),
        )


class Place(NamedTuple):
    """The place after an accepted row. `page` begins where `reached` ends, and the row is the
    `accepted`-th accepted row of the page."""

    reached: Reached
    page: Page
    accepted: int


class Tally:
    """Keeps the running counts of one round, which continues from `progress`.

    `refused` takes the rows that the file's rules refuse, and `refused_by_table` those that the
    table refuses. Both append to the rows that `progress` has already counted.
    """

    def __init__(
        self,
        progress: ChunkProgress,
        digest: Digest,
        refused: PartWriter,
        refused_by_table: PartWriter,
    ) -> None:
        self.before = progress
        self.reached = Reached(
            progress.next_byte,
            progress.row_lines,
            progress.blank_lines,
            progress.comment_lines,
            progress.repeated_headers,
            progress.end_mark_lines,
            progress.line_ends,
            {kind: Warned(*warned) for kind, warned in progress.warnings.items()},
            progress.rows_written + progress.rows_superseded,
            progress.rows_refused,
        )
        self.keys = KeyDigests(digest)
        """The digests of all accepted rows since the start of the chunk."""
        self._refused = refused
        self._refused_by_table = refused_by_table
        self._first_refused = progress.first_refused

    def remember(self, keys: Sequence[EncodedKey]) -> None:
        """Adds the keys of rows that an earlier round has counted."""
        self.keys.add(keys)

    def place(self, page: Page, accepted: int) -> Place:
        """Returns a place in the page that will be counted next."""
        return Place(self.reached, page, accepted)

    def place_behind(self) -> Place:
        """Returns the place after everything that has been counted."""
        return Place(self.reached, Page(Section(b"", 0)), 0)

    def count(self, page: Page) -> None:
        """Counts a page and clears its refused rows. A page may have very many of them, and stays
        in memory until the table has taken its other rows."""
        for row in page.refused:
            self._add(row._replace(line=self.reached.lines + row.line), self._refused)
        self.keys.add(page.keys)
        self.reached = self.reached.after(page)
        page.refused.clear()

    def _add(self, row: RefusedRow, parts: PartWriter) -> None:
        parts.add(row)
        self._note_first(row)

    def _note_first(self, row: RefusedRow) -> None:
        first = self._first_refused
        if first is None or row.line < first["line"]:
            self._first_refused = {"line": row.line, "column": row.column, "reason": row.reason}

    def go_back(self, place: Place, part: Page) -> None:
        """Undoes the counts after a place. `part` is its page up to that place."""
        self.reached = place.reached
        self._refused.go_back(self.reached.rows_refused - self.before.rows_refused_by_table)
        if self.reached.rows_refused == 0:
            self._first_refused = None
        self.keys.keep(self.reached.rows_accepted)
        self.count(part)

    def refuse(self, rows: Sequence[RefusedRow], keys: Sequence[EncodedKey]) -> None:
        """Counts accepted rows of this round, with these keys, as refused by the table. Call it
        once everything else has been counted."""
        self.keys.forget(keys)
        for row in rows:
            self._add(row, self._refused_by_table)
        self.reached = self.reached._replace(
            rows_accepted=self.reached.rows_accepted - len(rows),
            rows_refused=self.reached.rows_refused + len(rows),
        )

    def check(self, items_written: int, items_replaced: int, items_refused: int) -> None:
        """Compares the counts with what the table acknowledged, once it has acknowledged all rows.

        Raises AccountingError.
        """
        before, reached = self.before, self.reached
        if reached.next_byte != before.end:
            raise AccountingError(
                f"Chunk {before.index} ends at byte {before.end}, but {reached.next_byte} was read."
            )
        accepted = reached.rows_accepted - before.rows_written - before.rows_superseded
        settled = items_written + items_replaced + items_refused
        if settled != accepted or len(self.keys) != reached.rows_accepted:
            raise AccountingError(
                f"Chunk {before.index}: {accepted} rows accepted, {items_written} items written, "
                f"{items_replaced} replaced, {items_refused} refused; "
                f"{len(self.keys)} keys noted for {reached.rows_accepted} rows."
            )

    def progress(
        self, *, throttles: int, times: list[str], finished: "Finished | None"
    ) -> ChunkProgress:
        """Returns the progress to record, with the round's `times` and, for a finished chunk, the
        counts of its keys. Writes the remaining refused rows to the work bucket.

        Rows that are superseded, or refused because their key isn't unique, are counted when the
        chunk is finished; until then they count as written.
        """
        before, reached = self.before, self.reached
        superseded = finished.superseded if finished else 0
        not_unique = finished.not_unique if finished else 0
        if finished and finished.first_not_unique:
            self._note_first(finished.first_not_unique)
        refused, by_table = (
            parts.finish() if finished else parts.pause()
            for parts in (self._refused, self._refused_by_table)
        )
        written = reached.rows_accepted - superseded - not_unique
        return replace(
            before,
            next_byte=reached.next_byte,
            finished=finished is not None,
            lines=reached.lines,
            row_lines=reached.row_lines,
            blank_lines=reached.blank_lines,
            comment_lines=reached.comment_lines,
            repeated_headers=reached.repeated_headers,
            end_mark_lines=reached.end_mark_lines,
            line_ends=reached.line_ends,
            warnings={kind: list(warned) for kind, warned in reached.warnings.items()},
            rows_read=reached.rows_accepted + reached.rows_refused,
            rows_written=written,
            rows_superseded=superseded,
            rows_refused=reached.rows_refused + not_unique,
            rows_refused_by_table=self._refused_by_table.rows,
            refused_parts=refused.complete,
            refused_open_rows=refused.open_rows,
            refused_by_table_parts=by_table.complete,
            refused_by_table_open_rows=by_table.open_rows,
            superseded_parts=finished.superseded_parts if finished else 0,
            first_refused=self._first_refused,
            throttles=before.throttles + throttles,
            rounds=[*before.rounds, [*times, str(written - before.rows_written)]],
            distinct_keys=finished.distinct_keys if finished else 0,
            repeated_keys=finished.repeated_keys if finished else 0,
        )


class Finished(NamedTuple):
    """The counts of a finished chunk that depend on all its keys."""

    distinct_keys: int
    repeated_keys: int
    superseded: int = 0
    """Rows that a later row of the chunk supersedes."""
    not_unique: int = 0
    """The same if the source says that keys are unique, so that these rows are refused."""
    first_not_unique: RefusedRow | None = None
    superseded_parts: int = 0
    """Parts in the work bucket that list the superseded or not unique rows."""


class ChunkSeries(NamedTuple):
    """The parts that list the rows of a chunk that are not in the table."""

    refused: Series
    refused_by_table: Series
    superseded: Series


def chunk_series(load_id: str, generation: str, progress: ChunkProgress) -> ChunkSeries:
    """Returns the parts that list the rows of a chunk that are not in the table."""
    prefix = refused_rows_prefix(load_id, generation, progress.index)
    return ChunkSeries(
        Series(f"{prefix}refused-", progress.refused_parts, progress.refused_open_rows),
        Series(
            f"{prefix}refused-by-table-",
            progress.refused_by_table_parts,
            progress.refused_by_table_open_rows,
        ),
        Series(f"{prefix}superseded-", progress.superseded_parts),
    )
