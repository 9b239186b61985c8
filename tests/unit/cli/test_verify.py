"""`tickets verify`: what it waits for, what it removes, and what it prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from tests.support.command_line import lines, tickets
from tests.support.moto_server import create_table
from tests.support.step_functions import EXECUTION, StepFunctions, loaded_visits
from tickets.cli import verify as command
from tickets.runs.stack import Stack
from tickets.verify import cleanup
from tickets.verify.checks import FAILED, PASSED, SKIPPED, Check
from tickets.verify.cleanup import Removed, clean_up
from tickets.verify.files import RowMaker
from tickets.verify.plan import Plan, file_without_quantity, packed_file, rows_file, second_version
from tickets.verify.traffic import NotDone, Traffic

RUN = "verify-0a1b2c3d"
OTHER = {"ticket_id": {"S": "T1"}, "product": {"S": "Soap"}}

pytestmark = pytest.mark.usefixtures("empty_queues")


@pytest.fixture
def schema(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> TableSchema:
    """Of the table, in which one other item is."""
    monkeypatch.setitem(stack.outputs, "TableName", "Tickets")
    client = stack.client("dynamodb")
    if "Tickets" not in client.list_tables()["TableNames"]:
        create_table(client, "Tickets", "ticket_id", "product")
    client.put_item(TableName="Tickets", Item=OTHER)
    found = read_table_schema(client, "Tickets")
    assert found is not None
    return found


@pytest.fixture
def plan(schema: TableSchema) -> Plan:
    maker = RowMaker(RUN, schema)
    return Plan(
        run=RUN,
        schema=schema,
        rows=rows_file(maker, f"{RUN}/rows.csv", 5),
        second=second_version(maker, f"{RUN}/rows.csv"),
        chunked=None,
        packed=packed_file(maker, f"{RUN}/packed.csv.gz"),
        refused=file_without_quantity(maker, f"{RUN}/refused.csv"),
        stopped=None,
    )


@pytest.fixture
def traffic(stack: Stack, tmp_path: Path) -> Traffic:
    """To an empty bucket."""
    stack.session.resource("s3").Bucket("uploads").object_versions.delete()
    return Traffic(stack, tmp_path, 0.5, lambda step: None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "MAX_ENDING_SECONDS", 0.2)
    monkeypatch.setattr(cleanup, "MAX_LETTER_SECONDS", 0.2)
    monkeypatch.setattr(cleanup, "_POLL_SECONDS", 0.05)


def send_letter(stack: Stack, name: str) -> None:
    detail = {"executionArn": f"{EXECUTION}:{name}", "name": name, "status": "ABORTED"}
    stack.client("sqs").send_message(
        QueueUrl=stack.failed_executions_queue_url, MessageBody=json.dumps({"detail": detail})
    )


def letters(stack: Stack) -> list[str]:
    answer = stack.client("sqs").receive_message(
        QueueUrl=stack.failed_executions_queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(one["Body"])["detail"]["name"] for one in answer.get("Messages", [])]


def test_an_upload_has_the_name_of_the_execution_that_it_must_start(
    stack: Stack, plan: Plan, traffic: Traffic
) -> None:
    upload = traffic.upload(plan.packed)
    found = stack.client("s3").get_object(
        Bucket="uploads", Key=f"{RUN}/packed.csv.gz", VersionId=upload.version_id
    )
    assert found["Body"].read(2) == b"\x1f\x8b"
    assert upload.execution.startswith(f"{RUN}-packed-csv-gz-")
    assert traffic.executions == [upload.execution_arn]
    with pytest.raises(NotDone, match="The upload started no execution verify-0a1b2c3d-packed"):
        traffic.ended(upload.execution_arn)
    assert traffic.given_up == {upload.execution_arn}


def test_an_execution_that_does_not_end_is_told(
    step_functions: StepFunctions, traffic: Traffic
) -> None:
    step_functions.add("slow", "RUNNING")
    with pytest.raises(NotDone, match="Execution slow has not ended within 0 s") as raised:
        traffic.ended(f"{EXECUTION}:slow")
    assert "--timeout" in raised.value.next_step
    assert traffic.given_up == {f"{EXECUTION}:slow"}


def test_an_execution_that_has_ended_is_not_stopped(
    step_functions: StepFunctions, plan: Plan, traffic: Traffic
) -> None:
    upload = traffic.upload(plan.packed)
    step_functions.add(upload.execution)
    traffic.stop(upload)
    assert step_functions.described[upload.execution]["status"] == "SUCCEEDED"
    step_functions.add(upload.execution, "RUNNING")
    traffic.stop(upload)
    assert step_functions.described[upload.execution]["status"] == "ABORTED"


def test_a_run_is_removed_and_nothing_else(
    stack: Stack, step_functions: StepFunctions, plan: Plan, traffic: Traffic
) -> None:
    dynamodb, s3 = stack.client("dynamodb"), stack.client("s3")
    for file in (plan.rows, plan.packed, plan.rows):
        upload = traffic.upload(file)
        step_functions.add(upload.execution, visits=loaded_visits())
        for one in file.in_table:
            dynamodb.put_item(TableName="Tickets", Item=one.row.item)
    s3.delete_object(Bucket="uploads", Key=plan.rows.key)  # a marker
    for key in (f"{RUN}0/rows.csv", "rows.csv"):
        s3.put_object(Bucket="uploads", Key=key, Body=b"")
    send_letter(stack, f"{RUN}-of-another-time")

    removed = clean_up(stack, plan, traffic, lambda step: None)
    assert (removed.items, removed.object_versions, removed.executions) == (148, 4, 3)
    assert (removed.not_started, removed.stopped, removed.problems) == ([], [], [])
    assert dynamodb.scan(TableName="Tickets")["Items"] == [OTHER]
    left = s3.list_object_versions(Bucket="uploads")["Versions"]
    assert {one["Key"] for one in left} >= {f"{RUN}0/rows.csv", "rows.csv"}
    assert not [one for one in left if one["Key"].startswith(f"{RUN}/")]
    # All loads have succeeded, so the queues were not read.
    assert letters(stack) == [f"{RUN}-of-another-time"]


def test_what_still_runs_is_stopped_and_its_dead_letter_dismissed(
    stack: Stack, step_functions: StepFunctions, plan: Plan, traffic: Traffic
) -> None:
    running = f"{RUN}-rows-csv-1"
    step_functions.add(running, "RUNNING")
    traffic.executions = [f"{EXECUTION}:{running}", f"{EXECUTION}:{RUN}-never"]
    for name in (running, "tickets-csv-2"):
        send_letter(stack, name)
    removed = clean_up(stack, plan, traffic, lambda step: None)
    assert step_functions.described[running]["status"] == "ABORTED"
    assert (removed.stopped, removed.not_started) == ([running], [f"{RUN}-never"])
    assert (removed.dead_letters, removed.problems) == (1, [])
    assert letters(stack) == ["tickets-csv-2"]


def test_a_dead_letter_that_does_not_come_is_a_problem(
    stack: Stack, step_functions: StepFunctions, plan: Plan, traffic: Traffic
) -> None:
    running = f"{RUN}-rows-csv-1"
    step_functions.add(running, "RUNNING")
    traffic.executions = [f"{EXECUTION}:{running}"]
    [problem] = clean_up(stack, plan, traffic, lambda step: None).problems
    assert problem.startswith(f"The dead letter of {running} has not come yet")


def test_the_files_are_removed_even_if_the_items_cannot_be(
    stack: Stack, step_functions: StepFunctions, plan: Plan, traffic: Traffic
) -> None:
    upload = traffic.upload(plan.packed)
    step_functions.add(upload.execution, visits=loaded_visits())
    stack.client("dynamodb").delete_table(TableName="Tickets")
    removed = clean_up(stack, plan, traffic, lambda step: None)
    assert removed.object_versions == 1
    [problem] = removed.problems
    assert problem.startswith(f"Items whose ticket_id begins with {RUN} can't be deleted: ")


# --- what is printed


GOOD = Check("A gzip file", PASSED, "packed.csv.gz: 40 written.", seconds=8.2)
BAD = Check("A bad file", FAILED, "refused.csv:", ["it is SUCCEEDED"], "`tickets show x`", 1.0)
NOT_MADE = Check("A second version", SKIPPED, "The first version was not loaded.")
CLEAN = Removed(items=148, object_versions=3, executions=3)


def run_with(
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan,
    *checks: Check,
    removed: Removed = CLEAN,
    interrupted: bool = False,
) -> None:
    """Makes the command print these results."""

    def verify(
        stack: Any, plan: Any, timeout: float, on_check: Any, on_step: Any, on_removed: Any
    ) -> None:
        try:
            for check in checks:
                on_step("waiting")
                on_check(check)
            if interrupted:
                raise KeyboardInterrupt
        finally:
            on_removed(removed)

    monkeypatch.setattr(command, "make_plan", lambda stack, failures: plan)
    monkeypatch.setattr(command, "run_verification", verify)


def test_a_verified_deployment(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    run_with(monkeypatch, plan, GOOD)
    result = tickets("verify")
    assert result.exit_code == 0
    printed = result.stdout.splitlines()
    assert printed[0] == (
        f"Verifying stack tickets in eu-west-1: table Tickets, files below {RUN}/"
    )
    assert printed[3] == "✓ A gzip file                packed.csv.gz: 40 written. (8.2 s)"
    assert "Removed: 148 items, 3 object versions, 0 dead letters." in printed
    assert printed[-1].startswith("Verified: 1 passed, 0 failed, 0 skipped, in ")


def test_a_failed_check_says_what_to_do(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    run_with(monkeypatch, plan, GOOD, NOT_MADE, BAD)
    result = tickets("verify")
    assert result.exit_code == 1
    assert (
        "✗ A bad file                 refused.csv: (1.0 s)\n    it is SUCCEEDED\n" in result.stdout
    )
    assert "\n    next: `tickets show x`\n" in result.stdout
    assert "- A second version           The first version was not loaded.\n" in result.stdout
    assert "Not verified: 1 passed, 1 failed, 1 skipped, in " in result.stdout


def test_what_could_not_be_removed_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    run_with(monkeypatch, plan, GOOD, removed=Removed(problems=["Items can't be deleted: denied"]))
    result = tickets("verify")
    assert result.exit_code == 1
    assert "\nItems can't be deleted: denied\nNot verified: 1 passed" in result.stdout


def test_an_interrupted_run_is_not_verified(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    run_with(monkeypatch, plan, GOOD, interrupted=True)
    result = tickets("verify")
    assert result.exit_code == 130
    assert "Not verified: 1 passed, 0 failed, 0 skipped, interrupted after " in result.stdout


def test_json_lines(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    run_with(monkeypatch, plan, GOOD, BAD)
    result = tickets("verify", "--json")
    assert result.exit_code == 1
    found = lines(result)
    assert [line["kind"] for line in found] == ["plan", "check", "check", "removed", "verdict"]
    assert found[2]["problems"] == ["it is SUCCEEDED"]
    assert found[3]["items"] == 148
    seconds = found[4].pop("seconds")
    assert seconds >= 0
    assert found[4] == {
        "kind": "verdict",
        "verified": False,
        "complete": True,
        "passed": 1,
        "failed": 1,
        "skipped": 0,
    }


def test_alarms_are_announced(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    with_failures = Plan(**{**vars(plan), "stopped": plan.packed})
    run_with(monkeypatch, with_failures, GOOD)
    sentence = "the alarms LoadsFailed and LoadsAborted will go off, and FailedLoadsWaiting may."
    before, found, _ = tickets("verify", "--failures").stdout.partition(sentence)
    assert found
    assert "✓" not in before


def test_left_overs_are_named(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    run_with(monkeypatch, plan, GOOD, removed=Removed(not_started=["a-1"], stopped=["b-2"]))
    printed = tickets("verify").stdout
    assert "Not started: a-1. The messages of these uploads are still in a queue." in printed
    assert "Stopped: b-2. A function that is still running may write rows again." in printed
