"""What an execution cost, at Amazon's list prices."""

from ingestion.report_page.amounts import duration
from ingestion.report_page.content import Fact
from ingestion.report_page.recorded import Recorded

WHERE = "on-demand list prices of us-east-1, without free tiers"
DYNAMODB_WRITE = 0.625e-6
"""Dollars per write of an item of up to 1 KB ("Amazon DynamoDB pricing")."""
TRANSITION = 25e-6
"""Dollars per state transition of a Standard execution ("AWS Step Functions pricing")."""
GB_SECOND = 0.0000133334
"""Dollars per GB-second of a function on arm64 ("AWS Lambda pricing")."""
FUNCTION_GB = 1769 / 1024


def cost(known: Recorded) -> tuple[list[Fact], str]:
    """The amounts of an execution, and a sentence that says what they leave out."""
    if not known.states:
        return [], ""
    steps, writes, seconds = transitions(known), _writes(known), _function_seconds(known)
    dollars = writes * DYNAMODB_WRITE + steps * TRANSITION + seconds * FUNCTION_GB * GB_SECOND
    return [
        ("Writes to the table", f"{writes:,} ({_dollars(writes * DYNAMODB_WRITE)})"),
        ("State transitions", f"{steps:,} ({_dollars(steps * TRANSITION)})"),
        (
            "Time of functions",
            f"{duration(seconds)} ({_dollars(seconds * FUNCTION_GB * GB_SECOND)})",
        ),
        ("In all", _dollars(dollars)),
    ], (
        f"Of this execution, at the {WHERE}. Items of more than 1 KB and indexes of the table cost "
        "further writes. Retries within chunks, the ledger, S3, SQS and logs are left out."
    )


def transitions(known: Recorded) -> int:
    """One for each state that was entered and for each retry. Each chunk has one for the start of
    its own execution, one for its end, and two for each call."""
    own = sum(max(run.attempts, 1) for run in known.states)
    if not known.has_map:
        return own
    calls = sum(max(len(list(known.rounds(chunk))), 1) for chunk in known.chunks)
    return own + 2 * len(known.chunks) + 2 * calls


def _writes(known: Recorded) -> int:
    """The puts of this execution. Rows that a later row of the chunk superseded count too, because
    most of them were written before."""
    writes = 0
    for chunk in known.chunks:
        written = [rows for _, _, rows in known.rounds(chunk)]
        writes += sum(written) + (chunk.rows_superseded if written and chunk.finished else 0)
    return writes


def _function_seconds(known: Recorded) -> float:
    """The times of the execution's own calls, among them the one that writes a small file, and of
    the calls that wrote its chunks."""
    own = sum(run.seconds or 0.0 for run in known.states if run.type == "Task")
    if not known.has_map:
        return own
    return own + sum(
        (ended - began).total_seconds()
        for chunk in known.chunks
        for began, ended, _ in known.rounds(chunk)
    )


def _dollars(amount: float) -> str:
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.6f}" if amount else "$0"
