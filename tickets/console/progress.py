"""Draws a load that is running: its rate, the chunks, and when it will probably end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded

WIDTH, HEIGHT = 600, 90
_SQUARE, _STEP = 9, 11
_COLUMNS = 100
_MAX_SAMPLES = 300


@dataclass(frozen=True)
class Sample:
    """What had been read ``seconds`` after the first sample."""

    seconds: float
    rows: int
    done_bytes: int


@dataclass
class Samples:
    """The progress of a running load over time."""

    taken: list[Sample] = field(default_factory=list)
    total_bytes: int = 0

    def add(self, known: Recorded, data_bytes: int, now: float) -> None:
        """Take a sample. A load never goes backwards: if the ledger's answer is older than the last
        sample, nothing is added."""
        rows = sum(chunk.rows_read for chunk in known.chunks)
        done = sum(chunk.next_byte - chunk.start for chunk in known.chunks)
        last = self.taken[-1] if self.taken else None
        if last and (rows < last.rows or done < last.done_bytes):
            return
        self.total_bytes = data_bytes
        self.taken.append(Sample(now, rows, done))
        if len(self.taken) > _MAX_SAMPLES:
            del self.taken[1::2]

    @property
    def share(self) -> float | None:
        """How much of the file's bytes are written, from 0 to 1."""
        if not self.taken or not self.total_bytes:
            return None
        return min(self.taken[-1].done_bytes / self.total_bytes, 1.0)

    @property
    def rows(self) -> int:
        return self.taken[-1].rows if self.taken else 0

    @property
    def rows_per_second(self) -> float | None:
        """Over the last ten seconds or so."""
        if len(self.taken) < 2:
            return None
        last = self.taken[-1]
        since = next(
            (one for one in reversed(self.taken) if last.seconds - one.seconds >= 10), self.taken[0]
        )
        seconds = last.seconds - since.seconds
        return (last.rows - since.rows) / seconds if seconds else None

    @property
    def seconds_left(self) -> float | None:
        """An estimate, from the rate of the bytes over all samples."""
        if len(self.taken) < 2:
            return None
        first, last = self.taken[0], self.taken[-1]
        seconds, done = last.seconds - first.seconds, last.done_bytes - first.done_bytes
        if not done or not seconds:
            return None
        return (self.total_bytes - last.done_bytes) / (done / seconds)

    def curve(self) -> str:
        """The points of a polyline: rows per second between the samples."""
        rates = [
            (later.rows - one.rows) / (later.seconds - one.seconds)
            for one, later in pairwise(self.taken)
            if later.seconds > one.seconds
        ]
        if len(rates) < 2:
            return ""
        highest = max(rates) or 1.0
        step = WIDTH / (len(rates) - 1)
        return " ".join(
            f"{number * step:.0f},{HEIGHT - rate / highest * (HEIGHT - 4):.0f}"
            for number, rate in enumerate(rates)
        )


@dataclass(frozen=True)
class Grid:
    """The chunks as squares: one SVG path for each outcome, and the size of the picture."""

    finished: str
    begun: str
    waiting: str
    height: int
    text: str
    width: int = _COLUMNS * _STEP


def grid(chunks: Sequence[ChunkProgress], planned: int) -> Grid:
    by_index = {chunk.index: chunk for chunk in chunks}
    paths: dict[str, list[str]] = {"finished": [], "begun": [], "waiting": []}
    for index in range(planned):
        row, column = divmod(index, _COLUMNS)
        chunk = by_index.get(index)
        kind = "waiting" if chunk is None else "finished" if chunk.finished else "begun"
        paths[kind].append(f"M{column * _STEP} {row * _STEP}h{_SQUARE}v{_SQUARE}h-{_SQUARE}z")
    finished, begun = len(paths["finished"]), len(paths["begun"])
    return Grid(
        "".join(paths["finished"]),
        "".join(paths["begun"]),
        "".join(paths["waiting"]),
        -(-planned // _COLUMNS) * _STEP,
        f"{finished:,} of {planned:,} chunks are written, {begun:,} have begun.",
    )
