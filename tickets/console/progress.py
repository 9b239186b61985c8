"""Draws a load that is running: its rate, its chunks, and when it will probably end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded

WIDTH, HEIGHT = 600, 90
STEP, GAP = 11, 2
"""The distance from one chunk's square to the next, and the gap between them."""
_COLUMNS = ((40, 40), (300, 60), (1500, 100), (None, 200))
"""Up to how many chunks the grid has how many columns."""
_MAX_SAMPLES = 300
_RATE_SECONDS = 10.0
_ESTIMATE_SECONDS = 60.0


@dataclass(frozen=True)
class Sample:
    """What had been read at a time, in seconds of any clock."""

    seconds: float
    rows: int
    done_bytes: int


@dataclass
class Samples:
    """The progress of a load over time. `planned` is its number of chunks, and `chunks` are the
    entries of the last sample."""

    taken: list[Sample] = field(default_factory=list)
    total_bytes: int = 0
    planned: int = 0
    chunks: Sequence[ChunkProgress] = ()

    def add(self, known: Recorded, now: float) -> None:
        """Takes a sample. A load never goes backwards: if what is known is older than the last
        sample, nothing is added."""
        rows = sum(chunk.rows_read for chunk in known.chunks)
        done = sum(chunk.next_byte - chunk.start for chunk in known.chunks)
        last = self.taken[-1] if self.taken else None
        if last and (rows < last.rows or done < last.done_bytes):
            return
        plan = known.load.get("plan") or {}
        self.total_bytes = plan.get("data_end") or self.total_bytes
        self.planned = max(plan.get("chunks") or 0, len(known.chunks), self.planned)
        self.chunks = known.chunks
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
        """The rate of the last ten seconds or so; None before anything was read."""
        rates = self.rates()
        return rates[-1][1] if rates else None

    @property
    def most_rows_per_second(self) -> float:
        return max((rate for _, rate in self.rates()), default=0.0)

    @property
    def seconds_left(self) -> float | None:
        """An estimate, from the rate of the bytes in the last minute."""
        working = self._working()
        if len(working) < 2:
            return None
        last = working[-1]
        first = _before(working, last.seconds - _ESTIMATE_SECONDS)
        seconds, done = last.seconds - first.seconds, last.done_bytes - first.done_bytes
        if not done or not seconds:
            return None
        return max(self.total_bytes - last.done_bytes, 0) / (done / seconds)

    def rates(self) -> list[tuple[float, float]]:
        """For each sample the seconds since the first one, and the rows per second of the ten
        seconds before it."""
        working = self._working()
        found = []
        for number in range(1, len(working)):
            one = working[number]
            first = _before(working[:number], one.seconds - _RATE_SECONDS)
            if one.seconds > first.seconds:
                rate = (one.rows - first.rows) / (one.seconds - first.seconds)
                found.append((one.seconds - working[0].seconds, rate))
        return found

    def curve(self) -> str:
        """The points of a polyline: `rates` over time. Empty for fewer than two."""
        rates = self.rates()
        if len(rates) < 2:
            return ""
        began, width = rates[0][0], rates[-1][0] - rates[0][0]
        highest = self.most_rows_per_second or 1.0
        return " ".join(
            f"{(seconds - began) / width * WIDTH:.0f},{HEIGHT - rate / highest * (HEIGHT - 4):.0f}"
            for seconds, rate in rates
        )

    def _working(self) -> list[Sample]:
        """The samples since the load began to read rows: before that, it may have waited long."""
        for number, later in enumerate(self.taken[1:]):
            if later.done_bytes > self.taken[number].done_bytes:
                return self.taken[number:]
        return []


def _before(samples: Sequence[Sample], seconds: float) -> Sample:
    """The last sample that is at least as old, or else the first one."""
    return next((one for one in reversed(samples) if one.seconds <= seconds), samples[0])


@dataclass(frozen=True)
class Grid:
    """The chunks as squares: an SVG path for each outcome, which a dashed stroke divides into
    squares, and the size of the picture."""

    finished: str
    begun: str
    waiting: str
    width: int
    height: int
    text: str


def grid(chunks: Sequence[ChunkProgress], planned: int) -> Grid:
    """Returns the picture of `planned` chunks. `chunks` are the entries that the ledger has of
    them."""
    outcomes = ["waiting"] * planned
    for chunk in chunks:
        outcomes[chunk.index] = "finished" if chunk.finished else "begun"
    columns = next(columns for most, columns in _COLUMNS if most is None or planned <= most)
    paths: dict[str, list[str]] = {"finished": [], "begun": [], "waiting": []}
    for first in range(0, planned, columns):
        row = outcomes[first : first + columns]
        y = first // columns * STEP + (STEP - GAP) / 2
        at = 0
        while at < len(row):
            end = next((i for i in range(at, len(row)) if row[i] != row[at]), len(row))
            paths[row[at]].append(f"M{at * STEP} {y:g}h{(end - at) * STEP - GAP}")
            at = end
    finished, begun = outcomes.count("finished"), outcomes.count("begun")
    partly = f", {begun:,} partly" if begun else ""
    return Grid(
        "".join(paths["finished"]),
        "".join(paths["begun"]),
        "".join(paths["waiting"]),
        columns * STEP - GAP,
        -(-planned // columns) * STEP,
        f"{finished:,} of {planned:,} chunks are written{partly}.",
    )
