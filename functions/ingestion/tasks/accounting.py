"""The counts of one round of a chunk: every record that is read is accounted for here, once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.key_digests import Digest, KeyDigests
from ingestion.csv_files.refused_rows import RefusedRow
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
    """The running counts of one round, which goes on from ``progress``."""

    def __init__(self, progress: ChunkProgress, digest: Digest) -> None:
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
        self._refused: list[RefusedRow] = []
        self._refused_by_table = 0

    def remember(self, keys: Sequence[EncodedKey]) -> None:
        """Take note of the keys of rows that an earlier round has accounted for."""
        self.keys.add(keys)

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

    def refuse(self, rows: Sequence[RefusedRow], keys: Sequence[EncodedKey]) -> None:
        """Count accepted rows of this round as refused by the table, once all that is to be counted
        has been. ``keys`` are theirs."""
        self.keys.forget(keys)
        self._refused += rows
        self._refused_by_table += len(rows)
        self.reached = self.reached._replace(
            rows_accepted=self.reached.rows_accepted - len(rows),
            rows_refused=self.reached.rows_refused + len(rows),
        )

    def check(self, items_written: int, items_replaced: int, items_refused: int) -> None:
        """Compare what was counted with what the table acknowledged, once all of it has been.

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

    @property
    def refused(self) -> list[RefusedRow]:
        """The rows that were refused in this round."""
        return self._refused

    def progress(
        self, *, parts: Sequence[str], throttles: int, times: list[str], finished: "Finished | None"
    ) -> ChunkProgress:
        """What to record of the chunk: the round's ``parts`` of rows that are not written, its
        ``times``, and, if the chunk is finished, what its keys say.

        Superseded rows are counted when the chunk is finished; until then they count as written.
        """
        before, reached = self.before, self.reached
        superseded = finished.superseded if finished else 0
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
            rows_refused_by_table=before.rows_refused_by_table + self._refused_by_table,
            refused_parts=[*before.refused_parts, *parts],
            throttles=before.throttles + throttles,
            rounds=[*before.rounds, times],
            distinct_keys=finished.distinct_keys if finished else 0,
            repeated_keys=finished.repeated_keys if finished else 0,
        )


class Finished(NamedTuple):
    """What the keys of a whole chunk say."""

    superseded: int
    """Rows that a later row of the chunk supersedes."""
    distinct_keys: int
    repeated_keys: int
