"""The operator's path: a load fails, is seen, its cause is removed, and it is replayed; all of it
with the `tickets` command only."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tests.support.wire import Wire
from tickets.cli.app import app
from tickets.runs.dead_letters import held_dead_letters

TIME = "2026-03-01T12:00:00Z"
BATCH = "BatchWriteItem"

pytestmark = pytest.mark.usefixtures("command_finds_stack")


def tickets(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == exit_code, result.output
    print(f"$ tickets {' '.join(arguments)}\n{result.output}")  # shown when the test fails
    return result


def lines(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tickets(*arguments, "--json").stdout.splitlines()]


def failure_of(name: str) -> dict[str, Any] | None:
    """The dead letter of an execution as the command lists it."""
    found = [one for one in lines("dead-letters") if one.get("execution") == name]
    assert len(found) < 2
    return found[0] if found else None


@pytest.fixture
def wire(stack: RunningStack) -> Iterator[Wire]:
    """Between Write Chunk and DynamoDB, to count what is sent."""
    with Wire.before(stack.local.engine.endpoint_url) as wire:
        variables = {"AWS_ENDPOINT_URL_DYNAMODB": wire.url}
        with stack.function_changed("WriteChunk", Environment={"Variables": variables}):
            yield wire


def fail_one_chunk(stack: RunningStack, name: str) -> tuple[TicketFile, dict[str, Any]]:
    """A load of several chunks of which one fails: the one with a bad row."""
    file = TicketFile(f"operator-{name}").rows(1500)
    file.refused(f"{{}}-b01,Soap,B1,{TIME},Home,two,Lyon", "quantity", "bad_quantity").rows(1000)
    with stack.without_statement("WriteChunk", "KeepRefusedRows"):
        execution = stack.load(f"operator/{name}.csv", file.body)
    assert execution["status"] == "FAILED"
    return file, execution


def assert_only_unfinished_written(
    stack: RunningStack, wire: Wire, load_id: str, finished: list[dict[str, Any]]
) -> None:
    """Asserts it by the number of batches sent since then, and of items in them."""
    batches = [call.json["RequestItems"] for call in wire.calls if call.operation == BATCH]
    entries = stack.chunk_entries(load_id)
    [missing] = [one for one in entries if one["index"] not in {one["index"] for one in finished}]
    rows = int(missing["rows_written"])
    assert sum(len(batch[stack.names.table]) for batch in batches) == rows
    # At most one batch in ten is not full.
    assert math.ceil(rows / 25) <= len(batches) <= math.ceil(rows / 25 * 1.1)
    assert [one for one in entries if one != missing] == finished


@pytest.mark.exhaustive
def test_a_failed_load_is_seen_and_replayed_without_writing_twice(
    stack: RunningStack, wire: Wire
) -> None:
    file, execution = fail_one_chunk(stack, "failed")
    name = execution["name"]
    assert wire.operations.count(BATCH) >= 100, (
        "all chunks, the failed one as often as it was tried"
    )

    tickets("dead-letters")
    failure = failure_of(name)
    assert failure is not None
    assert failure == failure_of(name), "looking takes nothing away"
    assert (failure["status"], failure["state"]) == ("FAILED", "Reconcile")
    assert failure["chunks_done"] == failure["chunks"] - 1 >= 3
    assert failure["cause"].startswith(f"1 of {failure['chunks']} chunks are not finished")
    [error] = failure["errors"]
    assert (error["error"], error["chunks"]) == ("AccessDenied", 1)
    assert "s3:PutObject" in error["message"]
    assert error["message"] in " ".join(tickets("show", name).stdout.split())
    assert failure["input"] == json.loads(execution["input"])
    assert len(json.loads(stack.read_url(failure["plan"]))) == failure["chunks"]
    assert json.loads(stack.read_url(failure["report"]))["complete"] is False
    assert not failure["redrivable"]
    [would] = lines("replay", "--all", "--dry-run")
    assert (would["execution"], would["outcome"]) == (f"{name}-r1", "would_start")
    assert stack.executions("operator/failed.csv") == [execution["executionArn"]]

    finished = stack.chunk_entries(name)
    wire.expect()
    tickets("replay", "--all")

    replayed = stack.ended(f"{execution['executionArn']}-r1")
    assert failure_of(name) is None, "the message is gone"
    report = assert_loaded(stack, replayed, file, at_least_chunks=4)
    assert len(report["executions"]) == 2
    assert_only_unfinished_written(stack, wire, name, finished)

    [again] = lines("replay", name)
    assert (again["execution"], again["outcome"]) == (f"{name}-r1", "loaded")
    assert len(stack.executions("operator/failed.csv")) == 2

    [shown] = lines("show", name)
    assert shown["finished_by"] == f"{name}-r1"
    assert shown["rows_written"] == sum(int(one["rows_written"]) for one in finished)
    [newest] = lines("show", "operator/failed.csv")
    assert newest["execution"] == f"{name}-r1"
    assert shown["report"] == failure["report"] != newest["report"]
    [load] = lines("loads", "--key", "operator/failed.*", "--since", "1h")
    assert [one["ending"] for one in load["attempts"]] == ["Load Failed", "Loaded"]
    assert (load["why"], load["started_by"][:8]) == ("replay", "arn:aws:")


@pytest.mark.exhaustive
def test_failed_loads_with_one_cause_are_loaded_with_one_command(
    stack: RunningStack,
) -> None:
    files = [TicketFile(f"at-once-{number}").rows(20) for number in range(4)]
    with stack.without_action("WriteChunk", "WriteItems", "dynamodb:BatchWriteItem", 0):
        uploads = [stack.upload(f"till-{at}.csv", file.body) for at, file in enumerate(files)]
        arns = [stack.execution_of(upload) for upload in uploads]
        assert {stack.ended(arn)["status"] for arn in arns} == {"FAILED"}

    cause, *loads, step = tickets("dead-letters").stdout.splitlines()
    assert cause.startswith("4 loads: AccessDenied")
    assert "dynamodb:BatchWriteItem" in cause
    assert {load.split()[0] for load in loads} == {arn.rpartition(":")[2] for arn in arns}

    assert step == "next: tickets replay --all"
    tickets(*step.split()[2:])
    for arn, file in zip(arns, files, strict=True):
        assert_loaded(stack, stack.ended(f"{arn}-r1"), file)
    assert lines("dead-letters") == []


@pytest.mark.exhaustive
def test_an_expired_plan_is_made_again_at_the_recorded_chunk_size(
    stack: RunningStack, wire: Wire
) -> None:
    file, execution = fail_one_chunk(stack, "expired")
    name = execution["name"]
    failure = failure_of(name)
    assert failure is not None
    plan, finished = stack.read_url(failure["plan"]), stack.chunk_entries(name)
    bucket, key = failure["plan"].removeprefix("s3://").split("/", 1)
    stack.s3.delete_object(Bucket=bucket, Key=key)
    wire.expect()

    variables = {"CHUNK_SIZE_BYTES": "1000000"}  # of which the whole file would be one chunk
    with stack.function_changed("SplitFile", Environment={"Variables": variables}):
        tickets("replay", name)
        replayed = stack.ended(f"{execution['executionArn']}-r1")
    assert stack.read_url(failure["plan"]) == plan
    assert_loaded(stack, replayed, file, at_least_chunks=4)
    assert_only_unfinished_written(stack, wire, name, finished)
    assert failure_of(name) is None


@pytest.mark.exhaustive
@pytest.mark.usefixtures("rows_capped")
def test_a_stopped_load_is_seen_and_replayed(stack: RunningStack) -> None:
    file = TicketFile("stopped").rows(6000)
    upload = stack.upload("operator/stopped.csv", file.body)
    arn = stack.execution_of(upload)
    name = arn.rpartition(":")[2]
    early = until(lambda: stack.chunk_entries(name), "the first finished chunk")
    tickets("stop", name)
    chunks = stack.ledger(name)["load"]["plan"]["chunks"]
    assert len(stack.chunk_entries(name)) < chunks, "stopped in the middle"
    assert stack.ended(arn)["status"] == "ABORTED"
    assert "nothing to stop" in tickets("stop", name, exit_code=2).stderr

    failure = until(lambda: failure_of(name), "the rule's dead letter")
    tickets("dead-letters")
    assert failure["redrivable"]
    assert failure["status"] == "ABORTED"
    # The engine's chunks go on after the stop.
    assert 0 < failure["chunks_done"] <= failure["chunks"]
    assert "--redrive" in tickets("replay", name, "--dry-run").stdout
    refused = tickets("replay", name, "--redrive", exit_code=2)
    assert refused.stderr.count("\n") == 1
    assert "leave out --redrive" in refused.stderr
    assert failure_of(name) is not None, "a refused redrive takes no message away"

    tickets("replay", name)
    [second] = lines("replay", name)
    assert (second["execution"], second["outcome"]) in [
        (f"{name}-r1", "running"),
        (f"{name}-r1", "loaded"),
    ]
    assert_loaded(stack, stack.ended(f"{arn}-r1"), file, at_least_chunks=8)
    assert failure_of(name) is None
    assert len(stack.executions(upload.key)) == 2
    now = {entry["index"]: entry for entry in stack.chunk_entries(name)}
    assert [now[entry["index"]] for entry in early] == early


@pytest.mark.exhaustive
def test_an_upload_that_could_not_be_started_is_sent_again(stack: RunningStack) -> None:
    file = TicketFile("unstarted").rows(20)
    poison = "This is not an S3 event."
    with stack.failed_uploads_return_after(seconds=1):
        with stack.without_statement("StartExecution", "StartExecutions"):
            stack.sqs.send_message(QueueUrl=stack.names.upload_queue_url, MessageBody=poison)
            upload = stack.upload("operator/not started.csv", file.body)
            failures = until(lambda: both(lines("dead-letters")), "both messages given up")
        tickets("dead-letters")
        assert sorted(one["objects"] for one in failures) == [
            [],
            [f"s3://{upload.bucket}/{upload.key}"],
        ]
        [told] = [one["cause"] for one in failures if one["objects"]]
        assert "states:StartExecution" in told, "the reason travels with the message"
        assert stack.executions(upload.key) == []

        tickets("replay", "--uploads")
        assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)
        [left] = until(lambda: lines("dead-letters"), "the poison again")
    assert (left["kind"], left["objects"]) == ("upload", [])
    assert "neither an S3 event notification" in left["cause"]
    tickets("dismiss", left["message_id"])
    assert lines("dead-letters") == []


def test_readers_of_the_dead_letters_do_not_hide_them_from_each_other(stack: RunningStack) -> None:
    """Three readers at once each list all of them, which are more than one ReceiveMessage
    returns."""
    for number in range(12):
        stack.sqs.send_message(
            QueueUrl=stack.names.failed_executions_queue_url, MessageBody=f"message {number}"
        )
    barrier = Barrier(3)

    def read() -> tuple[int, int]:
        barrier.wait()
        with held_dead_letters(stack.names) as letters:
            return len(letters.unreadable), letters.unseen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        assert [reader.result() for reader in readers] == [(12, 0)] * 3


@pytest.mark.exhaustive
def test_an_object_whose_key_looks_like_a_version_is_ingested_by_hand(stack: RunningStack) -> None:
    file = TicketFile("looks").rows(20)
    upload = stack.upload("operator/q?versionId=x.csv", file.body)
    assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)
    address = f"s3://{upload.bucket}/{upload.key}"
    for given in (address, f"{address}?versionId={upload.version_id}"):
        [outcome] = lines("ingest", given, "--wait")
        assert (outcome["ending"], outcome["rows_written"]) == ("Already Loaded", 20)


@pytest.mark.exhaustive
def test_files_with_one_name_are_ingested_under_their_paths(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {f"operator/{shop}/day.csv": TicketFile(f"day-{shop}").rows(20) for shop in "ab"}
    for path, file in files.items():
        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(file.body)
    assert "have the same key, day.csv" in tickets("ingest", *files, exit_code=2).stderr
    outcomes = lines("ingest", *files, "--keep-path", "--wait")
    assert [one["rows_written"] for one in outcomes] == [20, 20]
    for key, file in files.items():
        [arn] = stack.executions(key)
        assert_loaded(stack, stack.describe(arn), file)


def both(found: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return found if len(found) == 2 else None
