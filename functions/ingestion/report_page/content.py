"""What the page of an execution says. All text is for people, and no value of a row is in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

GOOD, BAD, NEUTRAL, BUSY = "good", "bad", "neutral", "busy"
"""Tones of a verdict: loaded; failed or refused; nothing was written and nothing has to be done;
still running."""


@dataclass(frozen=True)
class Verdict:
    """How the execution ended, in a sentence."""

    tone: str
    heading: str
    text: str


@dataclass(frozen=True)
class Counts:
    """The rows of a load. ``read`` is the sum of the others."""

    read: int
    written: int
    superseded: int
    combined: int
    refused: int


@dataclass(frozen=True)
class NextStep:
    """What to do, and the command that does it. The command may be empty."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class StateLine:
    """The visits to one state with the same result."""

    name: str
    outcome: str
    result: str
    times: int
    tries: int
    took: str


@dataclass(frozen=True)
class Bar:
    """A bar of a timeline: ``left`` and ``width`` are shares of its whole time. ``began`` and
    ``took`` say the same as durations; they are empty if the times are not known."""

    label: str
    outcome: str
    left: float = 0.0
    width: float = 0.0
    began: str = ""
    took: str = ""


@dataclass(frozen=True)
class ChunkGroup:
    """A chunk, or consecutive ones of a load with many chunks."""

    chunks: str
    finished: str
    rows: int
    rows_per_second: int | None
    throttles: int
    bar: Bar


@dataclass(frozen=True)
class ReasonLine:
    """Rows that are not in the table for the same reason. ``lines`` are the first of them."""

    outcome: str
    column: str
    reason: str
    rows: int
    lines: Sequence[int]
    more_lines: bool


@dataclass(frozen=True)
class AttemptLine:
    """One execution of the load."""

    execution: str
    is_this: bool
    who: str
    why: str
    started: str
    ended: str
    counts: str


Fact = tuple[str, str]
"""A name and a value."""


@dataclass(frozen=True)
class Page:
    """Everything on the page, in its order."""

    key: str
    execution: str
    made_at: str
    verdict: Verdict
    counts: Counts | None
    graph: str
    """An ``<svg>`` element."""
    next_steps: Sequence[NextStep]
    states: Sequence[StateLine]
    timeline: Sequence[Bar]
    timeline_ends: str
    """What the whole width of the timelines stands for."""
    chunks: Sequence[ChunkGroup]
    reasons: Sequence[ReasonLine]
    reasons_note: str
    file: Sequence[Fact]
    attempts: Sequence[AttemptLine]
    earlier: Sequence[Fact]
    stack: Sequence[Fact]
    cost: Sequence[Fact]
    cost_note: str
    report: str
    """The report of the load, as JSON; empty if there is none."""
    report_sha256: str
    commands: Sequence[Fact] = field(default=())
    """Commands that fetch what the page does not hold."""
