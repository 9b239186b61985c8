"""The states of an execution as lines of a timeline."""

from collections.abc import Sequence

from ingestion.executions.history import StateRun, Visits, group_visits, results
from ingestion.report_page.amounts import duration
from ingestion.report_page.content import StateLine
from ingestion.report_page.marks import STOPPED, outcomes
from ingestion.report_page.recorded import Recorded
from ingestion.report_page.spans import merged, span
from ingestion.report_page.state_words import MEANINGS

MAX_LINES = 60
"""Lines of a page whose visits are grouped by state and result. With more results, such as those of
hundreds of calls that settle equal keys, they are grouped by state."""
_NO_DURATION = ("Choice", "Pass", "Succeed", "Fail")

Visit = tuple[StateRun, str]
"""A visit to a state, and its outcome."""


def state_lines(known: Recorded, seconds: float) -> list[StateLine]:
    """Returns a line for the visits to each state with the same result, in the order of their first
    ones. `seconds` is the length of the timeline."""
    words = _words(known)
    if len({(run.state, said) for run, said in zip(known.states, words, strict=True)}) > MAX_LINES:
        words = _last_of_each_state(known.states, words)
    visits: dict[tuple[str, str], list[Visit]] = {}
    ended = outcomes(known.states, known.status)
    for run, said, outcome in zip(known.states, words, ended, strict=True):
        visits.setdefault((run.state, said), []).append((run, outcome))
    return [
        _line(known, group, visits[group.run.state, group.result], seconds)
        for group in group_visits(known.states, words)
    ]


def _line(known: Recorded, group: Visits, visits: Sequence[Visit], whole: float) -> StateLine:
    takes_time = group.run.type not in _NO_DURATION
    began = (group.run.started_at - known.started_at).total_seconds()
    spans = []
    for run, outcome in visits if takes_time else ():
        after = (run.started_at - known.started_at).total_seconds()
        took = run.seconds if run.seconds is not None else whole - after
        spans.append(span(outcome, after, took, whole))
    _, last_outcome = visits[-1]
    return StateLine(
        group.run.state,
        MEANINGS.get(group.run.state, ""),
        last_outcome,
        group.result,
        group.times,
        max(run.attempts for run, _ in visits),
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
