"""Each function runs under its own role, and needs what its role allows.

One needed statement is taken out of a role on the running stack: the load fails, the error names
the role, and after the statement is back a replay loads the file.
"""

import json

import pytest

from tests.e2e.accounts import assert_loaded
from tests.e2e.independent import TicketFile
from tests.e2e.running_stack import RunningStack, until


@pytest.mark.parametrize(
    ("sid", "action"),
    [
        ("WriteItems", "dynamodb:DescribeTable"),
        pytest.param("RecordChunksAndLeases", "dynamodb:GetItem", marks=pytest.mark.exhaustive),
    ],
)
def test_a_chunk_needs_its_functions_role(stack: RunningStack, sid: str, action: str) -> None:
    file = TicketFile(f"role-{sid}").rows(20)
    with stack.without_statement("WriteChunk", sid) as role:
        execution = stack.load(f"roles/{sid}.csv", file.body)
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    assert execution["cause"] == "1 of 1 chunks are not finished; the first is chunk 0."
    [child] = stack.children(execution["executionArn"])
    assert "AccessDenied" in child["cause"]
    assert f":assumed-role/{role}/" in child["cause"]
    assert action in child["cause"]
    assert stack.items(file.name) == {}
    assert_loaded(stack, stack.replay(execution["executionArn"]), file)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("function", "sid", "state", "action"),
    [
        ("ValidateFile", "RecordLoads", "validate_file", "dynamodb:GetItem"),
        ("SplitFile", "WritePlans", "split_file", "s3:PutObject"),
        ("SplitFile", "RecordPlans", "split_file", "dynamodb:UpdateItem"),
        ("TakeTurn", "ClaimObjects", "take_turn", "dynamodb:GetItem"),
        ("Reconcile", "WriteReports", "reconcile", "s3:PutObject"),
        ("Reconcile", "ReadAndCloseLoads", "reconcile", "dynamodb:Query"),
    ],
)
def test_a_state_needs_its_functions_role(
    stack: RunningStack, function: str, sid: str, state: str, action: str
) -> None:
    file = TicketFile(f"role-{sid}").rows(20)
    with stack.without_statement(function, sid) as role:
        execution = stack.load(f"roles/{sid}.csv", file.body)
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    [letter] = stack.all_dead_letters(execution["executionArn"])
    assert letter["error"] == "StateFailed"
    assert list(letter["failed"]) == [state]
    cause = letter["failed"][state]["Cause"]
    assert "AccessDenied" in cause
    assert f":assumed-role/{role}/" in cause
    assert action in cause
    assert json.loads(execution["cause"]) == letter["failed"]
    assert_loaded(stack, stack.replay(execution["executionArn"]), file)


def test_an_upload_waits_in_its_queue_while_start_execution_lacks_its_role(
    stack: RunningStack,
) -> None:
    file = TicketFile("role-start").rows(20)
    with stack.failed_uploads_return_after(seconds=1):
        with stack.without_statement("StartExecution", "StartExecutions") as role:
            upload = stack.upload("roles/start.csv", file.body)
            until(lambda: _start_execution_has_logged(stack, role), "the role in the log")
            assert stack.executions(upload.key) == []
        # The message comes again by itself.
        assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)
    assert stack.receive(stack.names.upload_dead_letter_queue_url) == []


def _start_execution_has_logged(stack: RunningStack, role: str) -> bool:
    logs = stack.names.client("logs")
    group = f"/aws/lambda/{stack.names.name}/start_execution"
    events = logs.filter_log_events(logGroupName=group)["events"]
    return any(
        "was not started" in event["message"]
        and f":assumed-role/{role}/" in event["message"]
        and "states:StartExecution" in event["message"]
        for event in events
    )
