"""Finds what is missing from a load, for Reconcile."""

from collections.abc import Sequence

from ingestion.contracts import File, Plan
from ingestion.ledger.chunks import ChunkProgress

UNREAD = {
    "corrupt_gzip": "The gzip data is damaged or cut off.",
}
"""Why a compressed file could not be read to its end."""

NOT_READ = "The file could not be read to its end."
"""For the reasons of plans that an earlier release made, and of refused files in an execution that
began before the update: its definition doesn't handle a refusal by Split File."""


def shortfall(chunks: Sequence[ChunkProgress], plan: Plan, file: File) -> str | None:
    """Describes in a sentence what is wrong with a load's chunks. Returns None if they
    are finished, cover the data part of the file without gaps or overlaps, and their rows add up.
    """
    planned = plan.chunks
    by_index = {chunk.index: chunk for chunk in chunks}
    unfinished = [
        index for index in range(planned) if not (index in by_index and by_index[index].finished)
    ]
    if unfinished:
        return (
            f"{len(unfinished):,} of {planned:,} chunks are not finished; "
            f"the first is chunk {unfinished[0]}."
        )
    expected = file.data_start
    for chunk in chunks:
        if chunk.start != expected or chunk.next_byte != chunk.end:
            return f"Chunk {chunk.index} does not begin where the one before it ends."
        counted = chunk.rows_written + chunk.rows_superseded + chunk.rows_refused
        if chunk.rows_read != counted:
            return f"Chunk {chunk.index} read {chunk.rows_read} rows but accounts for {counted}."
        if problem := _wrong_lines(chunk, is_last=chunk.index == planned - 1):
            return problem
        expected = chunk.end
    if expected != plan.data_end:
        return f"The chunks end at byte {expected:,} of {plan.data_end:,}."
    if plan.unread:
        rows = sum(chunk.rows_read for chunk in chunks)
        why = UNREAD.get(plan.unread.reason, NOT_READ)
        return f"{why} The {rows:,} rows before that are accounted for."
    return None


def _wrong_lines(chunk: ChunkProgress, *, is_last: bool) -> str | None:
    """Describes what is wrong with a chunk's line counts. A file's last line may lack its end."""
    lines = (
        chunk.row_lines
        + chunk.blank_lines
        + chunk.comment_lines
        + chunk.repeated_headers
        + chunk.end_mark_lines
    )
    if lines == chunk.line_ends or (is_last and lines == chunk.line_ends + 1):
        return None
    return (
        f"Chunk {chunk.index} has {chunk.line_ends:,} line ends but accounts for {lines:,} lines."
    )
