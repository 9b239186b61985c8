"""The chunks of a load as lines of a timeline."""

from collections.abc import Sequence

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.amounts import duration
from ingestion.report_page.content import ChunkLine
from ingestion.report_page.marks import FAILED, RUNNING, STOPPED, SUCCEEDED
from ingestion.report_page.recorded import Recorded
from ingestion.report_page.spans import span

MAX_CHUNKS = 500
"""Chunks of a load that have a line each."""
MAX_LINES = 250
"""Lines of a load with more chunks: each line is for several consecutive ones."""


def chunk_lines(known: Recorded, seconds: float) -> list[ChunkLine]:
    """Returns a line for each chunk, or for each of at most MAX_LINES groups of chunks.

    `seconds` is the length of the timeline.
    """
    chunks = known.chunks
    each = 1 if len(chunks) <= MAX_CHUNKS else -(-len(chunks) // MAX_LINES)
    groups = (chunks[first : first + each] for first in range(0, len(chunks), each))
    return [_line(known, group, seconds) for group in groups]


def _line(known: Recorded, chunks: Sequence[ChunkProgress], whole: float) -> ChunkLine:
    rounds = [one for chunk in chunks for one in known.rounds(chunk)]
    done = sum(chunk.finished for chunk in chunks)
    first, last = chunks[0].index, chunks[-1].index
    outcome = SUCCEEDED if done == len(chunks) else _unfinished(known.status)
    began = took = ""
    spans, per_second = [], None
    if rounds:
        start, end = min(one for one, _, _ in rounds), max(one for _, one, _ in rounds)
        after, lasted = (start - known.started_at).total_seconds(), (end - start).total_seconds()
        began, took = duration(after), duration(lasted)
        spans = [span(outcome, after, lasted, whole)]
        writing = sum((until - since).total_seconds() for since, until, _ in rounds)
        rows = sum(rows for _, _, rows in rounds)
        per_second = round(rows / writing) if writing else None
    return ChunkLine(
        f"{first:,}" if first == last else f"{first:,} to {last:,}",
        outcome,
        _finished(done, len(chunks), is_written_now=bool(rounds)),
        sum(chunk.rows_read for chunk in chunks),
        per_second,
        sum(chunk.throttles for chunk in chunks),
        began,
        took,
        spans,
    )


def _unfinished(status: str) -> str:
    return {"RUNNING": RUNNING, "ABORTED": STOPPED, "TIMED_OUT": STOPPED}.get(status, FAILED)


def _finished(done: int, chunks: int, *, is_written_now: bool) -> str:
    if done == chunks and not is_written_now:
        return "before"
    if chunks == 1:
        return "yes" if done else "no"
    return f"{done:,} of {chunks:,}"
