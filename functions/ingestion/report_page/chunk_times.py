"""The chunks of a load as lines of a timeline."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.amounts import duration
from ingestion.report_page.content import Bar, ChunkGroup
from ingestion.report_page.graph import FAILED, RUNNING, SUCCEEDED

MAX_CHUNKS = 500
"""Chunks of a load that have a line each."""
MAX_LINES = 250
"""Lines of a load with more chunks: each line is for several consecutive ones."""


def chunk_groups(
    chunks: Sequence[ChunkProgress], start: datetime, seconds: float, *, is_running: bool
) -> list[ChunkGroup]:
    """Returns a line for each chunk, or for each of at most MAX_LINES groups of chunks.

    ``start`` and ``seconds`` are those of the timeline.
    """
    each = 1 if len(chunks) <= MAX_CHUNKS else -(-len(chunks) // MAX_LINES)
    groups = (chunks[first : first + each] for first in range(0, len(chunks), each))
    return [_group(group, start, seconds, is_running=is_running) for group in groups]


def bar(label: str, outcome: str, began: float, took: float, whole: float) -> Bar:
    """Returns the bar of something that began ``began`` seconds after the start of a timeline of
    ``whole`` seconds."""
    left, width = _share(began, whole), _share(took, whole)
    return Bar(label, outcome, left, width, duration(max(began, 0.0)), duration(took))


def _group(
    chunks: Sequence[ChunkProgress], start: datetime, seconds: float, *, is_running: bool
) -> ChunkGroup:
    times = list(_times(chunks))
    rows = sum(chunk.rows_read for chunk in chunks)
    finished = sum(chunk.finished for chunk in chunks)
    first, last = chunks[0].index, chunks[-1].index
    name = f"{first:,}" if first == last else f"{first:,} to {last:,}"
    outcome = SUCCEEDED if finished == len(chunks) else RUNNING if is_running else FAILED
    drawn, per_second = Bar(name, outcome), None
    if times:
        began, ended = min(one for one, _ in times), max(one for _, one in times)
        after = (began - start).total_seconds()
        drawn = bar(name, outcome, after, (ended - began).total_seconds(), seconds)
        writing = sum((until - since).total_seconds() for since, until in times)
        per_second = round(rows / writing) if writing else None
    throttles = sum(chunk.throttles for chunk in chunks)
    return ChunkGroup(name, _finished(finished, len(chunks)), rows, per_second, throttles, drawn)


def _times(chunks: Sequence[ChunkProgress]) -> Iterator[tuple[datetime, datetime]]:
    for chunk in chunks:
        for began, ended, *_ in chunk.rounds:
            yield datetime.fromisoformat(began), datetime.fromisoformat(ended)


def _finished(finished: int, chunks: int) -> str:
    if chunks == 1:
        return "yes" if finished else "no"
    return f"{finished:,} of {chunks:,}"


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole else 0.0
