"""How an execution ended, in words: the verdict, the rows, and what has to be done."""

import shlex
from collections.abc import Mapping
from typing import Any

from ingestion.executions.history import (
    ALREADY_LOADED,
    OVERTAKEN,
    ending,
    ending_in_words,
    failure_in_words,
    last_value,
)
from ingestion.executions.remedies import DISMISS, LIST_REFUSED, is_refused, remedy
from ingestion.report_page.amounts import duration, moment
from ingestion.report_page.content import (
    BAD,
    BUSY,
    GOOD,
    NEUTRAL,
    Cause,
    Counts,
    NextStep,
    Verdict,
)
from ingestion.report_page.recorded import Recorded

MAX_CAUSE = 600
"""Characters of a cause. A cause from Step Functions may quote the whole input of a state."""
MAX_CAUSES = 20

_SETTLED = ("SUCCEEDED", "OVERTAKEN")
_HEADINGS = {"ABORTED": "Stopped", "TIMED_OUT": "Timed out"}


def counts(known: Recorded) -> Counts | None:
    """The totals of the load when this execution ended; None if no row was read."""
    totals: Mapping[str, Any] = known.result
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


def verdict(known: Recorded, rows: Counts | None) -> Verdict:
    if known.status == "RUNNING":
        text = f"The load has been running since {moment(known.started_at)}."
        return Verdict(BUSY, "Running", text)
    if known.status == "SUCCEEDED":
        return _success(known, rows)
    if known.dead_letter.get("reasons"):
        return Verdict(
            BAD, "Refused", f"The file was refused, and nothing was written. {_why(known)}"
        )
    in_table = f" {rows.written:,} rows are in the table." if rows and rows.written else ""
    heading = _HEADINGS.get(known.status, "Failed")
    return Verdict(BAD, heading, f"{_why(known)}{in_table}")


def causes(known: Recorded) -> list[Cause]:
    """Why a file was refused, or the errors of chunks that failed, the most frequent first. Empty
    if there is only one cause and the verdict says it."""
    if known.status == "SUCCEEDED":
        return []
    letter = known.dead_letter
    reasons = [
        Cause(_where(one), _cut(str(one["detail"])), str(one["reason"]))
        for one in letter.get("reasons") or ()
    ]
    errors = [
        Cause(
            f"chunk{'' if one['chunks'] == 1 else 's'} {one['indexes']}",
            _cut(str(one["message"])),
            str(one["error"]),
        )
        for one in (letter.get("result") or {}).get("errors") or ()
    ]
    found = [*reasons, *errors][:MAX_CAUSES]
    return [] if len(found) == 1 and found[0].text in _why(known) else found


def next_steps(known: Recorded) -> list[NextStep]:
    """What has to be done about a load that failed. The first command is the one that
    `tickets dead-letters` names as the next step."""
    if known.status in ("RUNNING", "SUCCEEDED"):
        return []
    replay = _command(known, "replay")
    if known.load.get("status") in _SETTLED:
        text = "The file has been loaded since: a replay starts nothing and deletes the message."
        return [NextStep(text, replay)]
    verb = _remedy(known)
    if verb == DISMISS:
        return [
            NextStep("Correct the file and upload it again. A replay would read the same bytes."),
            NextStep("Delete the message of this failure:", _command(known, DISMISS)),
        ]
    if verb == LIST_REFUSED:
        return [
            NextStep(
                "List the refused rows, and correct them or the source:", _command(known, verb)
            ),
            NextStep(
                "Upload the corrected file. Or, if these rows may be missing, raise the limit "
                "(MaxRefusedPercent) and replay the load:",
                replay,
            ),
        ]
    return [
        NextStep(_first_of_all(known)),
        NextStep("Replay the load. What is written already is not written again:", replay),
    ]


def refused_rows_command(known: Recorded) -> str:
    """The command that shows the refused and superseded rows."""
    return _command(known, LIST_REFUSED)


def _success(known: Recorded, rows: Counts | None) -> Verdict:
    end = ending(known.states)
    if end == ALREADY_LOADED:
        load_id = last_value(known.states, "load_id")
        which = f", as {load_id}" if load_id else ""
        text = f"The same bytes had been loaded before{which}. Nothing was written now."
        return Verdict(NEUTRAL, "Already Loaded", text)
    if end == OVERTAKEN:
        text = "A later version of the file is loaded instead of this one."
        if rows and rows.written:
            text += (
                f" Before that, {rows.written:,} rows were written. Those that only this version "
                "has stay in the table."
            )
        return Verdict(NEUTRAL, "Overtaken", text)
    took = ""
    if known.stopped_at:
        took = f" in {duration((known.stopped_at - known.started_at).total_seconds())}"
    rest = "Every row is in the table."
    if rows and rows.refused + rows.superseded:
        rest = "The rows that are not in the table are listed below."
    elif rows and not rows.read:
        rest = "It has no rows."
    return Verdict(GOOD, "Loaded", f"The file was loaded{took}. {rest}")


def _why(known: Recorded) -> str:
    why = failure_in_words(known.states) or ending_in_words(known.status, known.error, known.cause)
    why = _cut(why)
    return why if why.endswith((".", "!", "?", "…")) else f"{why}."


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CAUSE else f"{text[:MAX_CAUSE]} …"


def _remedy(known: Recorded) -> str:
    letter = known.dead_letter
    done = sum(chunk.finished for chunk in known.chunks)
    return remedy(
        refused=is_refused(
            letter.get("error"), [reason["reason"] for reason in letter.get("reasons") or ()]
        ),
        rows_refused=(letter.get("result") or {}).get("rows_refused"),
        all_chunks_done=done == known.planned_chunks,
        settled=False,
    )


def _first_of_all(known: Recorded) -> str:
    if known.status == "ABORTED":
        return "Find out who stopped the load, and why."
    if known.status == "TIMED_OUT":
        return (
            "Look at the timeline below. If the load made progress, it only needs more time: a "
            "larger LoadTimeoutSeconds prevents the next timeout."
        )
    if not known.dead_letter:
        return (
            "Step Functions itself ended the execution. Report this, with the history that is kept "
            "beside this page: it is a fault of the state machine, not of the file."
        )
    return "Remove the cause that is named above, for example a missing permission."


def _command(known: Recorded, verb: str) -> str:
    """The command, with the options that find the stack from anywhere."""
    facts = {"--stack-name": "Stack", "--region": "Region", "--endpoint-url": "Endpoint"}
    options = {option: known.stack.get(fact) for option, fact in facts.items()}
    given = [part for name, value in options.items() if value for part in (name, value)]
    return shlex.join(["tickets", verb, known.execution, *given])


def _where(reason: Mapping[str, Any]) -> str:
    line, column = reason.get("line"), reason.get("column")
    return ", ".join(filter(None, [f"line {line:,}" if line else "", column]))
