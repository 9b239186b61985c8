"""The counts of one round of a chunk: every record that is read is accounted for here, once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ingestion.csv_files.equal_keys import KeyDigests
from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.refused_rows import RefusedRow
from ingestion.csv_files.row_warnings import Warned, Warnings, merged
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress


class Reached(NamedTuple):
    """What is accounted for of a chunk, over all its rounds, up to the end of some record."""

    next_byte: int
    row_lines: int
    blank_lines: int
    repeated_headers: int
    end_mark_lines: int
    line_ends: int
    warnings: Warnings
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
            merged(self.warnings, page.warnings, self.lines),
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
    """The running counts of one round, which goes on from ``progress``."""

    def __init__(self, progress: ChunkProgress) -> None:
        self.before = progress
        self.reached = Reached(
            progress.next_byte,
            progress.row_lines,
            progress.blank_lines,
            progress.repeated_headers,
            progress.end_mark_lines,
            progress.line_ends,
            {kind: Warned(*warned) for kind, warned in progress.warnings.items()},
            progress.rows_written + progress.rows_superseded,
            progress.rows_refused,
        )
        self.keys = KeyDigests()
        """Of all accepted rows from the chunk's start on."""
        self._refused: list[RefusedRow] = []

    def remember(self, page: Page) -> None:
        """Take note of rows that an earlier round has accounted for."""
        self.keys.add(page.keys)

    def place(self, page: Page, accepted: int) -> Place:
        """A place in the page that is to be counted next."""
        return Place(self.reached, page, accepted)

    def count(self, page: Page) -> None:
        for row in page.refused:
            self._refused.append(row._replace(line=self.reached.lines + row.line))
        self.keys.add(page.keys)
        self.reached = self.reached.after(page)

    def go_back(self, place: Place, part: Page) -> None:
        """Count nothing behind a place. ``part`` is its page up to there."""
        self.reached = place.reached
        del self._refused[self.reached.rows_refused - self.before.rows_refused :]
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

    def listed(self, superseded: Sequence[RefusedRow]) -> list[RefusedRow]:
        """All rows of this round that are not written."""
        return [*self._refused, *superseded]

    def progress(
        self, superseded: int, *, finished: bool, part: str | None, throttles: int, times: list[str]
    ) -> ChunkProgress:
        """What to record of the chunk: so many rows found ``superseded`` in this round, the key of
        its refused rows, if any, and when it began and ended."""
        before, reached = self.before, self.reached
        all_superseded = before.rows_superseded + superseded
        return replace(
            before,
            next_byte=reached.next_byte,
            finished=finished,
            lines=reached.lines,
            row_lines=reached.row_lines,
            blank_lines=reached.blank_lines,
            repeated_headers=reached.repeated_headers,
            end_mark_lines=reached.end_mark_lines,
            line_ends=reached.line_ends,
            warnings={kind: list(warned) for kind, warned in reached.warnings.items()},
            rows_read=reached.rows_accepted + reached.rows_refused,
            rows_written=reached.rows_accepted - all_superseded,
            rows_superseded=all_superseded,
            rows_refused=reached.rows_refused,
            refused_parts=[*before.refused_parts, part] if part else before.refused_parts,
            throttles=before.throttles + throttles,
            rounds=[*before.rounds, times],
        )
