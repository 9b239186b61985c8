"""What an execution did in each state, and which arrows of the state machine it followed.

The states of chunks are in child executions. The ledger says how these ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.executions.history import OVERTAKEN, StateRun, ending
from ingestion.report_page.amounts import duration
from ingestion.report_page.recorded import Recorded

SUCCEEDED, FAILED, RUNNING, STOPPED = "succeeded", "failed", "running", "stopped"
SIGNS = {SUCCEEDED: "✓", FAILED: "✗", RUNNING: "…", STOPPED: "■"}
"""The signs that distinguish outcomes without colours."""

_STOPS = ("ABORTED", "TIMED_OUT")


@dataclass(frozen=True)
class Mark:
    """What an execution did in a state. `seconds` are None if it has not left the state or if
    they are not known, `tries` count the calls of its task, and `visits` how often it was
    entered. `count` is the number of chunks that it applies to."""

    outcome: str
    seconds: float | None = None
    tries: int = 1
    visits: int = 1
    count: str = ""

    @property
    def note(self) -> str:
        words = [f"{SIGNS[self.outcome]} {self.count or duration(self.seconds)}".strip()]
        if self.visits > 1:
            words.append(f"{self.visits:,} times")
        elif self.tries > 1:
            words.append(f"{self.tries} tries")
        return ", ".join(words)


Way = tuple[str, str, bool]
"""An arrow that an execution followed: from which state ("Start" at the beginning), to which, and
whether because of an error that the definition catches."""


def outcome(run: StateRun, status: str, *, is_last: bool) -> str:
    """The outcome of a visit. `status` is the execution's own, and `is_last` says whether it
    entered no other state afterwards."""
    if is_last and status in _STOPS:
        return STOPPED
    if run.error or run.type == "Fail":
        return FAILED
    if run.stopped_at is None and run.type != "Succeed":
        return {"RUNNING": RUNNING, "FAILED": FAILED}.get(status, STOPPED)
    return SUCCEEDED


def outcomes(states: Sequence[StateRun], status: str) -> list[str]:
    """The outcome of each visit."""
    last = len(states) - 1
    return [outcome(run, status, is_last=at == last) for at, run in enumerate(states)]


def marks(known: Recorded) -> dict[str, Mark]:
    """The mark of each state that the execution or its chunks entered."""
    return {**state_marks(known.states, known.status), **_chunk_marks(known)}


def ways(known: Recorded) -> set[Way]:
    """The arrows that the execution and its chunks followed."""
    return state_ways(known.states) | _chunk_ways(known)


def state_marks(states: Sequence[StateRun], status: str) -> dict[str, Mark]:
    found: dict[str, Mark] = {}
    for run, ended in zip(states, outcomes(states, status), strict=True):
        earlier = found.get(run.state)
        seconds = run.seconds
        if earlier and seconds is not None:
            seconds += earlier.seconds or 0.0
        tries = max(run.attempts, earlier.tries if earlier else 1)
        visits = earlier.visits + 1 if earlier else 1
        found[run.state] = Mark(ended, seconds, tries, visits)
    return found


def state_ways(states: Sequence[StateRun]) -> set[Way]:
    if not states:
        return set()
    found: set[Way] = {("Start", states[0].state, False)}
    for run, following in pairwise(states):
        found.add((run.state, following.state, run.error is not None))
    return found


def _chunk_marks(known: Recorded) -> Mapping[str, Mark]:
    if not known.has_map or not (known.chunks or known.result):
        return {}
    finished = sum(chunk.finished for chunk in known.chunks)
    are_all = finished == known.planned_chunks
    count = f"{finished:,} of {known.planned_chunks:,}"
    found = {"Write Chunk": Mark(_written(known, are_all=are_all), count=count)}
    if finished:
        found["Chunk Finished?"] = found["Chunk Written"] = Mark(SUCCEEDED)
    if not are_all and ending(known.states) == OVERTAKEN:
        found["Chunk Finished?"] = found["Chunk Overtaken"] = Mark(SUCCEEDED)
    return found


def _written(known: Recorded, *, are_all: bool) -> str:
    if are_all or ending(known.states) == OVERTAKEN:
        return SUCCEEDED
    if known.status == "RUNNING":
        return RUNNING
    return STOPPED if known.status in _STOPS else FAILED


def _chunk_ways(known: Recorded) -> set[Way]:
    marked = _chunk_marks(known)
    if not marked:
        return set()
    found: set[Way] = {("Write Chunks", "Write Chunk", False)}
    if "Chunk Finished?" in marked:
        found.add(("Write Chunk", "Chunk Finished?", False))
    for end in ("Chunk Written", "Chunk Overtaken"):
        if end in marked:
            found.add(("Chunk Finished?", end, False))
    if any(len(chunk.rounds) > 1 for chunk in known.chunks):
        found |= {
            ("Write Chunk", "Chunk Finished?", False),
            ("Chunk Finished?", "Write Chunk", False),
        }
    return found
