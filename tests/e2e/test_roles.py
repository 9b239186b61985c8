"""Each function runs under its own role, and needs what its role allows.

One needed statement is taken out of a role on the running stack: the load fails, the error names
the role, and after the statement is back a replay loads the file.
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from ingestion.csv_files.item_json import put_request
from ingestion.dynamodb.requests import batch_body
from ingestion.dynamodb.transport import Reply, dynamodb_transport
from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("sid", "action"),
    [
        ("WriteItems", "dynamodb:DescribeTable"),
        ("RecordChunksAndLeases", "dynamodb:PutItem"),  # the lease comes first
    ],
)
def test_a_chunk_needs_its_functions_role(stack: RunningStack, sid: str, action: str) -> None:
    file = TicketFile(f"role-{sid}").rows(20)
    packed = gzip.compress(file.body)  # so that a child execution writes it
    with stack.without_statement("WriteChunk", sid) as role:
        execution = stack.load(f"roles/{sid}.csv.gz", packed)
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    missing = "1 of 1 chunks are not finished; the first is chunk 0."
    assert execution["cause"].startswith(missing)
    [child] = stack.children(execution["executionArn"])
    assert "AccessDenied" in child["cause"]
    assert f":assumed-role/{role}/" in child["cause"]
    assert action in child["cause"]
    assert stack.items_of(file.name) == {}
    assert_loaded(stack, stack.replay(execution["executionArn"]), file, packed=packed)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("function", "sid", "state", "action"),
    [
        ("ValidateFile", "CheckTable", "validate_file", "dynamodb:DescribeTable"),
        ("ValidateFile", "RecordLoadsAndClaimObjects", "validate_file", "dynamodb:GetItem"),
        ("SplitFile", "WritePlans", "split_file", "s3:PutObject"),
        ("SplitFile", "RecordPlans", "split_file", "dynamodb:UpdateItem"),
        ("TakeTurn", "ClaimObjectsAndTakeSlots", "take_turn", "dynamodb:GetItem"),
        (
            *("SettleEqualKeys", "CompareDigestsAndKeepSupersededRows"),
            *("settle_equal_keys", "s3:GetObject"),
        ),
        ("SettleEqualKeys", "RecordProgressAndLeases", "settle_equal_keys", "dynamodb:PutItem"),
        ("Reconcile", "JoinRefusedRows", "reconcile", "s3:GetObject"),
        ("Reconcile", "WriteReports", "reconcile", "s3:PutObject"),
        ("Reconcile", "CheckTable", "reconcile", "dynamodb:DescribeTable"),
        ("Reconcile", "ReadAndCloseLoads", "reconcile", "dynamodb:Query"),
    ],
)
def test_a_state_needs_its_functions_role(
    stack: RunningStack, function: str, sid: str, state: str, action: str
) -> None:
    role, cause = fails_without(stack, function, sid, state)
    assert "AccessDenied" in cause
    assert f":assumed-role/{role}/" in cause
    assert action in cause


@pytest.mark.exhaustive
def test_a_state_that_may_not_read_the_upload_says_so(stack: RunningStack) -> None:
    _, cause = fails_without(stack, "SplitFile", "ReadUploads", "split_file")
    assert "S3 denies access to the object: s3://" in cause


def fails_without(stack: RunningStack, function: str, sid: str, state: str) -> tuple[str, str]:
    """Loads a file while a function's role lacks a statement, then replays it. Returns the role,
    and the cause in the dead letter."""
    # Two chunks: Split File doesn't read a file of one.
    file = TicketFile(f"role-{function}-{sid}").rows(1_200)
    file.refused("{}-b,Soap,B1,2026-03-01T12:00:00Z,Home,two,Lyon", "quantity", "bad_quantity")
    with stack.without_statement(function, sid) as role:
        execution = stack.load(f"roles/{function}-{sid}.csv", file.body)
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    [letter] = stack.all_dead_letters(execution["executionArn"])
    assert letter["error"] == "StateFailed"
    assert list(letter["failed"]) == [state]
    assert letter["state"] == state.replace("_", " ").title()
    # Validate File fails before it has returned the load's id.
    assert letter["load_id"] == (None if state == "validate_file" else execution["name"])
    assert json.loads(execution["cause"]) == letter["failed"]
    assert_loaded(stack, stack.replay(execution["executionArn"]), file)
    return role, str(letter["failed"][state]["Cause"])


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


@pytest.fixture
def writer_keys(stack: RunningStack) -> Iterator[Credentials]:
    """A session's keys of a role that may put items into the table and nothing else."""
    name = "signature-test"
    identity = stack.names.client("sts").get_caller_identity()
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {}}
    statement["Principal"] = {"AWS": f"arn:aws:iam::{identity['Account']}:root"}
    trust: dict[str, Any] = {"Version": "2012-10-17", "Statement": [statement]}
    role = stack.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    allowed = {"Effect": "Allow", "Action": "dynamodb:BatchWriteItem", "Resource": "*"}
    stack.iam.put_role_policy(
        RoleName=name,
        PolicyName="write",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    sts = stack.names.client("sts")
    keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    yield Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    stack.iam.delete_role_policy(RoleName=name, PolicyName="write")
    stack.iam.delete_role(RoleName=name)


def put_by_ourselves(stack: RunningStack, keys: Credentials, ticket: str) -> Reply:
    """The engine's reply to a batch of one item that the writer's own signer has signed."""
    sender = dynamodb_transport(stack.names.client("dynamodb"), keys)
    item = {"ticket_id": {"S": ticket}, "product": {"S": "Thé"}, "quantity": {"N": "1"}}
    sender.send(ticket, batch_body(stack.names.table, [put_request(item)]))
    while not (replies := sender.replies(10)):
        pass
    [reply] = replies
    return reply


def test_our_own_signature_is_believed_and_one_by_a_wrong_secret_is_not(
    stack: RunningStack, writer_keys: Credentials
) -> None:
    """The engine verifies the signatures of keys that it has issued itself."""
    assert put_by_ourselves(stack, writer_keys, "signed-1").status == 200
    wrong_secret = (
        f"{writer_keys.secret_key[:-1]}{'a' if writer_keys.secret_key[-1] != 'a' else 'b'}"
    )
    for keys in (
        Credentials(writer_keys.access_key, wrong_secret, writer_keys.token),
        Credentials(writer_keys.access_key, writer_keys.secret_key, f"{writer_keys.token}x"),
    ):
        assert put_by_ourselves(stack, keys, "signed-2").status in (400, 403)
    assert stack.items_of("signed").keys() == {("signed-1", "Thé")}
