"""What an execution cost, at Amazon's list prices."""

from datetime import datetime

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
    chunks = len(known.chunks) if any(run.type == "Map" for run in known.states) else 0
    transitions = len(known.states) + 1 + 4 * chunks
    calls = [run.seconds or 0.0 for run in known.states if run.type == "Task"]
    rounds = [one for chunk in known.chunks for one in chunk.rounds]
    writes = sum(chunk.rows_written + chunk.rows_superseded for chunk in known.chunks)
    seconds = sum(calls) + _writing_seconds(rounds)
    dollars = writes * DYNAMODB_WRITE + transitions * TRANSITION + seconds * FUNCTION_GB * GB_SECOND
    return [
        ("Writes to the table", f"{writes:,}"),
        ("State transitions", f"{transitions:,}"),
        ("Time of functions", duration(seconds)),
        ("In all", f"${dollars:,.4f}"),
    ], (
        f"At the {WHERE}. Items of more than 1 KB and indexes of the table cost further writes; "
        "the ledger, S3, SQS and logs are left out."
    )


def _writing_seconds(rounds: list[list[str]]) -> float:
    return sum(
        (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
        for began, ended, *_ in rounds
    )
