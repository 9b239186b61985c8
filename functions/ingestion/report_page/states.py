"""The states of an execution as lines of a timeline."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from ingestion.executions.history import StateRun, Visits, group_visits, results
from ingestion.report_page.amounts import duration
from ingestion.report_page.content import Span, StateLine
from ingestion.report_page.marks import STOPPED, outcomes
from ingestion.report_page.recorded import Recorded
from ingestion.report_page.state_words import MEANINGS

MAX_LINES = 60
"""Lines of a page whose visits are grouped by state and result. With more results, such as those of
hundreds of calls that settle equal keys, they are grouped by state."""
_MIN_GAP = 0.004
"""Visits that are closer together are one piece of the timeline, as a share of its whole time: a
load that waits for others can have thousands."""
_NO_DURATION = ("Choice", "Pass", "Succeed", "Fail")


def state_lines(known: Recorded, seconds: float) -> list[StateLine]:
    """Returns a line for the visits to each state with the same result, in the order of their first
    ones. `seconds` is the length of the timeline."""
    ended = dict(zip(map(id, known.states), outcomes(known.states, known.status), strict=True))
    words = _words(known)
    if len(set(zip(map(attrgetter("state"), known.states), words, strict=True))) > MAX_LINES:
        words = _last_of_each_state(known.states, words)
    visits: dict[tuple[str, str], list[StateRun]] = {}
    for run, said in zip(known.states, words, strict=True):
        visits.setdefault((run.state, said), []).append(run)
    return [
        _line(known, group, visits[group.run.state, group.result], ended, seconds)
        for group in group_visits(known.states, words)
    ]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Joins neighbouring pieces of the same outcome with hardly anything between them."""
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else None
        if last and last.outcome == span.outcome:
            gap = span.left - (last.left + last.width)
            if gap < _MIN_GAP:
                width = max(span.left + span.width - last.left, last.width)
                found[-1] = Span(last.outcome, last.left, width)
                continue
        found.append(span)
    return found


def span(outcome: str, began: float, took: float, whole: float) -> Span:
    """Returns the piece of something that began `began` seconds after the start of a timeline of
    `whole` seconds."""
    left = _share(began, whole)
    return Span(outcome, left, min(_share(began + took, whole) - left, 1.0))


def _line(
    known: Recorded, group: Visits, visits: Sequence[StateRun], ended: dict[int, str], whole: float
) -> StateLine:
    takes_time = group.run.type not in _NO_DURATION
    began = (group.run.started_at - known.started_at).total_seconds()
    spans = []
    for run in visits if takes_time else ():
        after = (run.started_at - known.started_at).total_seconds()
        took = run.seconds if run.seconds is not None else whole - after
        spans.append(span(ended[id(run)], after, took, whole))
    return StateLine(
        group.run.state,
        MEANINGS.get(group.run.state, ""),
        ended[id(visits[-1])],
        group.result,
        group.times,
        max(run.attempts for run in visits),
        duration(max(began, 0.0)),
        duration(group.seconds) if takes_time else "",
        merged(spans),
    )


def _words(known: Recorded) -> list[str]:
    """The result of each visit in a few words."""
    words = [
        f"→ {said[3:]}" if said.startswith("-> ") else said
        for said in results(known.states, _chunk_counts(known))
    ]
    if words and outcomes(known.states, known.status)[-1] == STOPPED:
        words[-1] = "stopped with the execution"
    return words


def _last_of_each_state(states: Sequence[StateRun], words: Sequence[str]) -> list[str]:
    last = {run.state: said for run, said in zip(states, words, strict=True)}
    return [last[run.state] for run in states]


def _chunk_counts(known: Recorded) -> dict[str, int] | None:
    """The chunks by outcome, as a Map Run counts them. The ledger records which are finished."""
    if not known.chunks:
        return None
    finished = sum(chunk.finished for chunk in known.chunks)
    unfinished = dict.fromkeys(("failed", "timedOut", "aborted"), 0)
    return {"succeeded": finished, "total": known.planned_chunks, **unfinished}


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole else 0.0
