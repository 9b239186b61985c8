"""Puts together what the page of an execution says."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.executions.history import (
    ALREADY_LOADED,
    OVERTAKEN,
    StateRun,
    ending,
    error_in_words,
    failure_in_words,
    group_visits,
    last_value,
    results,
)
from ingestion.ledger.attempts import Attempt
from ingestion.report_page import graph
from ingestion.report_page.amounts import duration, size
from ingestion.report_page.chunk_times import bar, chunk_groups
from ingestion.report_page.content import (
    BAD,
    BUSY,
    GOOD,
    NEUTRAL,
    AttemptLine,
    Bar,
    Counts,
    Fact,
    NextStep,
    Page,
    ReasonLine,
    StateLine,
    Verdict,
)
from ingestion.report_page.cost import cost
from ingestion.report_page.recorded import Recorded

MAX_LINES_SHOWN = 12
MAX_BARS = 60
"""Visits to states that the timeline shows, the longest ones: a load that waits for others can have
hundreds."""
_NO_DURATION = ("Choice", "Pass", "Succeed", "Fail")


def page_of(known: Recorded, made_at: datetime) -> Page:
    """Returns what the page of an execution says, from what is known of it."""
    result = last_value(known.states, "result") or {}
    counts = _counts(known, result)
    amounts, note = cost(known)
    entered = results(known.states, _chunk_counts(known))
    lines = [
        StateLine(
            visits.run.state,
            _line_outcome(known, visits.run),
            visits.result,
            visits.times,
            visits.run.attempts,
            "" if visits.run.type in _NO_DURATION else duration(visits.seconds),
        )
        for visits in group_visits(known.states, entered)
    ]
    end = known.stopped_at or made_at
    seconds = max((end - known.started_at).total_seconds(), 0.001)
    return Page(
        key=_key(known),
        execution=known.execution,
        made_at=_moment(made_at),
        verdict=_verdict(known, counts),
        counts=counts,
        graph=graph.coloured(
            {**graph.marks(known.states, known.status), **_chunk_marks(known)},
            graph.ways(known.states) | _chunk_ways(known),
        ),
        next_steps=_next_steps(known),
        states=lines,
        timeline=_timeline(known, seconds),
        timeline_ends=f"From {_moment(known.started_at)} to {_moment(end)}: {duration(seconds)}.",
        chunks=chunk_groups(
            known.chunks, known.started_at, seconds, is_running=known.status == "RUNNING"
        ),
        reasons=[
            ReasonLine(
                "superseded" if one.reason == "superseded" else "refused",
                one.column,
                one.reason,
                one.rows,
                one.lines[:MAX_LINES_SHOWN],
                one.rows > min(len(one.lines), MAX_LINES_SHOWN),
            )
            for one in known.reasons
        ],
        reasons_note=_reasons_note(known),
        file=_file(known),
        attempts=[_attempt(known, one) for one in known.attempts],
        earlier=[_earlier(one) for one in known.earlier],
        stack=list(known.stack.items()),
        cost=amounts,
        cost_note=note,
        report=_pretty(known.report),
        report_sha256=hashlib.sha256(known.report).hexdigest() if known.report else "",
        commands=_commands(known, result),
    )


def _key(known: Recorded) -> str:
    given = known.load or known.execution_input
    return f"s3://{given.get('bucket', '')}/{given.get('key', '')}"


def _counts(known: Recorded, result: Mapping[str, Any]) -> Counts | None:
    """The totals of the load when this execution ended."""
    totals = result
    if not totals and ending(known.states) in (ALREADY_LOADED, None):
        totals = known.load
    if totals.get("rows_read") is None:
        if not known.chunks:
            return None
        names = ("rows_read", "rows_written", "rows_superseded", "rows_refused")
        totals = {name: sum(getattr(one, name) for one in known.chunks) for name in names}
    return Counts(
        totals["rows_read"],
        totals["rows_written"],
        totals["rows_superseded"],
        totals.get("rows_combined") or 0,
        totals["rows_refused"],
    )


def _verdict(known: Recorded, counts: Counts | None) -> Verdict:
    took = f" in {duration(_seconds(known))}" if known.stopped_at else ""
    end = ending(known.states)
    if known.status == "RUNNING":
        return Verdict(
            BUSY, "Running", f"The load has been running since {_moment(known.started_at)}."
        )
    if known.status == "SUCCEEDED":
        if end == ALREADY_LOADED:
            text = "The same bytes had been loaded before, so nothing was written."
            return Verdict(NEUTRAL, "Already Loaded", text)
        if end == OVERTAKEN:
            text = "A later version of the file is loaded instead of this one."
            return Verdict(NEUTRAL, "Overtaken", text)
        missing = (counts.refused + counts.superseded) if counts else 0
        rest = (
            " The rows that are not in the table are listed below."
            if missing
            else " Every row of the file is in the table."
        )
        return Verdict(GOOD, "Loaded", f"The file was loaded{took}.{rest}")
    if _reasons_of_refusal(known):
        text = " ".join(reason["detail"] for reason in _reasons_of_refusal(known))
        return Verdict(BAD, "Refused", f"The file was refused, and nothing was written. {text}")
    why = failure_in_words(known.states) or error_in_words(known.error or known.status, known.cause)
    headings = {"ABORTED": "Stopped", "TIMED_OUT": "Timed out"}
    written = ""
    if counts and counts.written:
        written = f" {counts.written:,} rows are in the table."
    return Verdict(BAD, headings.get(known.status, "Failed"), f"{_sentence(why)}{written}")


def _next_steps(known: Recorded) -> list[NextStep]:
    if known.status in ("RUNNING", "SUCCEEDED"):
        return []
    if _reasons_of_refusal(known):
        return [
            NextStep(
                "Correct the file and upload it again under the same key. If it will not be "
                "loaded, delete its dead letter:",
                f"tickets dismiss {known.execution}",
            )
        ]
    return [
        NextStep("Remove the cause that the first line names."),
        NextStep(
            "Replay the load. It continues where this execution ended:",
            f"tickets replay {known.execution}",
        ),
    ]


def _reasons_of_refusal(known: Recorded) -> list[dict[str, Any]]:
    letter = last_value(known.states, "dead_letter") or {}
    return list(letter.get("reasons") or [])


def _line_outcome(known: Recorded, run: StateRun) -> str:
    return graph.marks([run], known.status)[run.state].outcome


def _chunk_counts(known: Recorded) -> dict[str, int] | None:
    """The chunks by outcome, as a Map Run counts them. The ledger knows which are finished."""
    if not known.chunks:
        return None
    finished = sum(chunk.finished for chunk in known.chunks)
    unfinished = dict.fromkeys(("failed", "timedOut", "aborted"), 0)
    return {"succeeded": finished, "total": _planned(known), **unfinished}


def _planned(known: Recorded) -> int:
    plan = last_value(known.states, "plan") or {}
    return int(plan.get("chunks") or len(known.chunks))


def _chunk_marks(known: Recorded) -> dict[str, graph.Mark]:
    """The marks of the states in the Map, which have executions of their own. The ledger says how
    they ended."""
    if not any(run.type == "Map" for run in known.states) or not known.chunks:
        return {}
    finished = all(chunk.finished for chunk in known.chunks)
    planned = _planned(known)
    found = {}
    if known.status == "RUNNING" and len(known.chunks) < planned:
        found["Write Chunk"] = graph.Mark(graph.RUNNING)
    elif finished and len(known.chunks) == planned:
        found["Write Chunk"] = graph.Mark(graph.SUCCEEDED)
    else:
        found["Write Chunk"] = graph.Mark(graph.FAILED)
    if any(chunk.finished for chunk in known.chunks):
        found["Chunk Finished?"] = graph.Mark(graph.SUCCEEDED)
        found["Chunk Written"] = graph.Mark(graph.SUCCEEDED)
    return found


def _chunk_ways(known: Recorded) -> set[graph.Way]:
    marked = _chunk_marks(known)
    found: set[graph.Way] = set()
    if marked:
        found.add(("Write Chunks", "Write Chunk", False))
    if "Chunk Written" in marked:
        found.add(("Write Chunk", "Chunk Finished?", False))
        found.add(("Chunk Finished?", "Chunk Written", False))
    if any(len(chunk.rounds) > 1 for chunk in known.chunks) and marked:
        found.add(("Chunk Finished?", "Write Chunk", False))
    return found


def _timeline(known: Recorded, seconds: float) -> list[Bar]:
    bars = []
    for run in known.states:
        if run.type in _NO_DURATION:
            continue
        began = (run.started_at - known.started_at).total_seconds()
        took = run.seconds if run.seconds is not None else max(seconds - began, 0.0)
        bars.append(bar(run.state, _line_outcome(known, run), began, took, seconds))
    if len(bars) <= MAX_BARS:
        return bars
    longest = sorted(bars, key=lambda bar: bar.width, reverse=True)[:MAX_BARS]
    return sorted(longest, key=lambda bar: bar.left)


def _reasons_note(known: Recorded) -> str:
    if known.reasons_read is None:
        return ""
    return f"Counted are the first {known.reasons_read:,} of these rows. The list has them all."


def _file(known: Recorded) -> list[Fact]:
    load, given = known.load, known.execution_input
    source = load.get("source") or {}
    facts = [
        ("Bucket", load.get("bucket") or given.get("bucket")),
        ("Key", load.get("key") or given.get("key")),
        ("Version", load.get("version_id") or given.get("version_id")),
        ("ETag", load.get("etag") or given.get("etag")),
        ("Size", size(load["size"]) if load.get("size") is not None else None),
        ("Uploaded by", load.get("uploader") or given.get("uploader")),
        ("Encoding", (load.get("encoding") or "").replace("_", "-").upper()),
        ("Source", source.get("name")),
        ("SHA-256 of the source", source.get("sha256")),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _attempt(known: Recorded, one: Attempt) -> AttemptLine:
    counts = ""
    if one.rows_read is not None:
        counts = f"{one.rows_read:,} read, {one.rows_written or 0:,} written"
    status = one.status
    if one.execution == known.execution:
        status = known.status
    return AttemptLine(
        one.execution,
        one.execution == known.execution,
        one.started_by or one.uploader or "",
        ": ".join(filter(None, [one.why, one.reason])),
        _given_moment(one.started_at),
        one.ending or status,
        counts,
    )


def _earlier(load: Mapping[str, Any]) -> Fact:
    what = f"{load.get('status')}, {load.get('rows_written') or 0:,} rows written"
    return _given_moment(load.get("started_at")), f"version {load.get('version_id')}: {what}"


def _commands(known: Recorded, result: Mapping[str, Any]) -> list[Fact]:
    found = []
    refused = result.get("refused_rows") or known.load.get("refused_rows")
    if refused:
        found.append((str(refused), f"tickets refused {known.execution}"))
    return found


def _pretty(report: bytes) -> str:
    """The report without its chunks."""
    if not report:
        return ""
    values = json.loads(report)
    values.pop("chunk_entries", None)
    return json.dumps(values, indent=2, ensure_ascii=False)


def _seconds(known: Recorded) -> float | None:
    if known.stopped_at is None:
        return None
    return (known.stopped_at - known.started_at) / timedelta(seconds=1)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _given_moment(text: Any) -> str:
    return _moment(datetime.fromisoformat(str(text))) if text else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
