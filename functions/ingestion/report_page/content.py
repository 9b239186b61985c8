"""What the page of an execution says. All text is for people, and no value of a row is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """The rows of a load. `read` is the sum of the others."""

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
class Cause:
    """Why a file was refused, or why chunks failed. `where` names a line and a column, or chunks,
    and may be empty."""

    where: str
    text: str
    code: str


@dataclass(frozen=True)
class Span:
    """A piece of a timeline. `left` and `width` are shares of its whole time."""

    outcome: str
    left: float
    width: float


@dataclass(frozen=True)
class StateLine:
    """The visits to one state with the same result."""

    name: str
    meaning: str
    """What the state does; empty for one that an earlier definition had."""
    outcome: str
    result: str
    times: int
    tries: int
    began: str
    took: str
    """Empty for states that take no time, such as a Choice."""
    spans: Sequence[Span]


@dataclass(frozen=True)
class ChunkLine:
    """A chunk, or consecutive ones of a load with many chunks. `began`, `took` and
    `rows_per_second` are about this execution, and empty if it wrote none of their rows."""

    chunks: str
    outcome: str
    finished: str
    rows: int
    rows_per_second: int | None
    throttles: int
    began: str
    took: str
    spans: Sequence[Span]


@dataclass(frozen=True)
class ReasonLine:
    """Rows that are not in the table for the same reason. `lines` are the first of them."""

    outcome: str
    column: str
    reason: str
    meaning: str
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


@dataclass(frozen=True)
class ActionLine:
    """An action of a person on the load."""

    at: str
    what: str
    who: str
    why: str


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
    """An `<svg>` element."""
    causes: Sequence[Cause]
    next_steps: Sequence[NextStep]
    states: Sequence[StateLine]
    from_until: str
    """What the whole width of the timelines stands for."""
    half: str
    """How long half of it is, and all of it."""
    whole: str
    chunks: Sequence[ChunkLine]
    reasons: Sequence[ReasonLine]
    reasons_note: str
    listed_rows: str
    """The S3 address of the list of these rows; empty if there is none."""
    listed_rows_command: str
    file: Sequence[Fact]
    attempts: Sequence[AttemptLine]
    actions: Sequence[ActionLine]
    earlier: Sequence[Fact]
    stack: Sequence[Fact]
    cost: Sequence[Fact]
    cost_note: str
    report: str
    """The report of the load, as JSON; empty if there is none, or if it is too large."""
    report_address: str
    report_size: str
    report_sha256: str
