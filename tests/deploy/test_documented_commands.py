"""Deploying, loading, failing, replaying and removing, with the commands of the documentation.

README.md and docs/operations.md are read for commands, and the story below runs them against the
engine exactly as they are printed. Only names that every stack has other ones of (executions,
buckets, the ledger, a function) are put in place of those that were printed. A command that is
neither run here nor listed with a reason fails the test.
"""

import ast
import csv
import io
import json
import re
from functools import partial
from pathlib import Path

import pytest

from tests.support.documentation import commands, commands_of
from tests.support.load_assertions import assert_loaded, assert_same_items
from tests.support.project_copy import Project, Ran, parameters
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import Items, TicketFile
from tickets.local.deployment import LocalStack
from tickets.local.engine import Engine
from tickets.runs.stack import Stack

NOT_RUN = {
    "make": "lists the targets; changes nothing",
    "make demo": "CI runs it as it is, and tests/e2e/test_processes.py",
    "make demo FILE=tickets.csv": "the same as `make demo`; tests/e2e/test_processes.py",
    "make demo CONSOLE=1": "stays until Ctrl-C; tests/e2e/test_processes.py",
    "make test": "would run this test's siblings; CI runs it as it is",
    "make check": "CI runs it as it is",
    "make arm64-check": "CI runs it as it is",
    "make test-all": "would run this test; CI runs it as it is",
    "make sam-deploy": "runs this test",
    "make diagram": "needs graphviz; tests/statemachine/test_diagram.py holds the pictures",
    ".venv/bin/tickets local start --port 4566": "the port may be taken; "
    "tests/e2e/test_processes.py runs it on a free one. Here SAM's stack is in its place",
    'eval "$(.venv/bin/tickets local env)"': "this test's environment has the same, with its own "
    "port; tests/unit/local/test_running.py runs such lines in a shell",
    **dict.fromkeys(
        [
            ".venv/bin/tickets sources draft kasse-2025-12.csv "
            "--output functions/sources/kasse.json",
            ".venv/bin/tickets check kasse-2025-12.csv",
            ".venv/bin/tickets ingest kasse-2025-12.csv --wait",
        ],
        "tests/unit/cli/test_check.py; tests/e2e/test_sources.py loads such a file",
    ),
    "sam build && sam deploy": "the same as `sam build && sam deploy --guided`, whose answers are "
    "saved",
    "tickets dismiss EXECUTION": "the same as the command with a reason, in docs/operations.md",
    **dict.fromkeys(
        ["tickets trace T1001 Espresso", "tickets undo week-47-csv-6f61ed0e869e481b"],
        "need a LineageAttribute; tests/e2e/test_week.py runs both",
    ),
    **dict.fromkeys(
        [
            "tickets report EXECUTION --open",
            "tickets report EXECUTION --output page.html",
            "tickets report --missing",
        ],
        "tests/unit/cli/test_report.py and tests/unit/cli/test_report_pages.py",
    ),
    **dict.fromkeys(
        ["tickets console", "tickets console --allow-changes"],
        "stay until Ctrl-C; tests/unit/cli/test_console.py and tests/browser/test_console.py",
    ),
    "tickets verify": "the same as `.venv/bin/tickets verify`, which README.md prints",
    "aws lambda get-account-settings --query AccountLimit": "the engine has no quotas",
    "sam deploy --parameter-overrides CreateTable=false TableName=Tickets "
    "UploadBucketName=NEW-UPLOADS WorkBucketName=NEW-WORK": "the same as the command without "
    "bucket names; tests/template/test_uploads.py has own names",
    "sam deploy --parameter-overrides CreateTable=false TableName=Tickets CustomerKey=true": "the "
    "engine encrypts nothing; tests/template/test_encryption.py",
    "aws cloudformation describe-stack-resource --stack-name tickets --logical-resource-id Key "
    "--query StackResourceDetail.PhysicalResourceId": "there is no key without CustomerKey",
    "aws dynamodb update-table --table-name Tickets --sse-specification "
    "Enabled=true,SSEType=KMS,KMSMasterKeyId=NEW-KEY": "the engine encrypts nothing",
    "aws dynamodb describe-table --table-name Tickets --query Table.SSEDescription": "the engine "
    "encrypts nothing",
    **dict.fromkeys(
        [
            "sam deploy --parameter-overrides ExistingUploadBucket=BUCKET",
            "aws s3api get-bucket-notification-configuration --bucket BUCKET > before.json",
            "aws s3api put-bucket-notification-configuration --bucket BUCKET "
            "--notification-configuration file://after.json",
            "sam deploy --parameter-overrides ReadableBuckets=BUCKET,BUCKET-2 "
            "ReadableKeyArns=KEY-ARN",
        ],
        "tests/e2e/test_existing_bucket.py has a stack with such buckets, and makes the same calls",
    ),
    **dict.fromkeys(
        [
            "sam deploy --parameter-overrides UploadTopicArn=TOPIC-ARN",
            "aws sns subscribe --topic-arn TOPIC-ARN --protocol sqs "
            "--notification-endpoint QUEUE-ARN",
        ],
        "tests/template/test_existing_bucket.py; tests/e2e/test_uploads.py has SNS's message",
    ),
    'tickets query --product "Green soap" --since 2026-03-01 --until 2026-04-01': "reads only; "
    "tests/unit/cli/test_query.py, and with the indexes tests/e2e/test_target_table.py",
    **dict.fromkeys(
        [
            "tickets refused week-51-csv-1e2dba8358731d6c --fixable corrected.csv",
            "tickets resubmit week-51-csv-1e2dba8358731d6c corrected.csv "
            '--reason "The tills wrote words."',
            "tickets status",
        ],
        "tests/e2e/test_resubmitted_rows.py",
    ),
    "sam deploy --parameter-overrides ProductIndex=true": "tests/e2e/test_target_table.py has the "
    "indexes from the start",
    "aws dynamodb update-table --table-name Tickets \\\n"
    "    --attribute-definitions AttributeName=product,AttributeType=S "
    "AttributeName=timestamp,AttributeType=S \\\n"
    "    --global-secondary-index-updates 'Create={IndexName=by_product,KeySchema=["
    "{AttributeName=product,KeyType=HASH},{AttributeName=timestamp,KeyType=RANGE}],"
    "Projection={ProjectionType=ALL}}'": "for tables that the stack does not create",
    "sam local invoke StartExecution --event events/start_execution/test_event.json": "needs "
    "Docker; the event itself is sent by the two commands before it",
}

# Commands that are long, or more than one, by a part that only they have.
INVOKE, EMPTY = "aws lambda invoke", "object_versions.delete"
UPDATE_WARM, READ_WARM = "--warm-throughput", "Table.WarmThroughput"

EXECUTION = re.compile(r"EXECUTION|(?P<stem>[a-z]+-\d+)-csv-[0-9a-f]{16}")


class Reader:
    """Reads the documentation and runs what it prints; remembers what it has run."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.printed = commands()
        self.ran: set[str] = set()

    def printed_with(self, part: str) -> str:
        [command] = [one for one in self.printed if part in one]
        return command

    def run(
        self,
        command: str,
        answers: list[str] | None = None,
        code: int | None = 0,
        **names: str,
    ) -> Ran:
        """names: what is put in place of printed names, given as `UPLOAD_BUCKET` for UPLOAD-BUCKET;
        `execution` in place of EXECUTION or of a printed execution's name."""
        assert command in self.printed, f"no page prints: {command}"
        self.ran.add(command)
        typed = command
        for name, value in names.items():
            if name == "execution":
                typed = EXECUTION.sub(value, typed)
            else:
                typed = typed.replace(name.replace("_", "-"), value)
        ran = self.project.run(typed, answers, code)
        print(f"$ {typed}\n{ran.output}")  # shown when the test fails
        return ran


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
def test_deploy_load_fail_replay_and_remove_as_documented(project: Project, engine: Engine) -> None:
    reader = Reader(project)
    deploy_for_the_first_time(reader)
    stack = deployed(engine)
    checks = reader.run(".venv/bin/tickets doctor").output
    assert re.search(r"ok +code: 8 functions have this checkout's", checks)
    with stack.uploads_held():
        assert "it is Disabled" in reader.run("tickets doctor", code=1).output
    ran = reader.run(".venv/bin/tickets verify")
    assert "Verified: 6 passed, 0 failed, 0 skipped" in ran.output
    assert stack.all_items() == {}
    first = load_a_file(reader, stack)
    refuse_a_file(reader, stack)
    mend_and_replay(reader, stack)
    send_an_event(reader, stack)
    send_uploads_again(reader, stack)

    # The same command again, with other parameters.
    ledger, items = stack.ledger_size(), len(stack.all_items())
    raised = (
        "sam deploy --parameter-overrides LoadsAtATime=12 MapConcurrency=4 WriteChunkConcurrency=50"
    )
    assert "Successfully created/updated stack" in reader.run(raised, ["y"]).output
    deploy_again(project, "MaxRowsPerSecond=400 MapConcurrency=1")
    stack = deployed(engine)
    assert (stack.ledger_size(), len(stack.all_items())) == (ledger, items)
    assert_same_items(stack, first)
    assert stack.variables("WriteChunk")["MAX_ROWS_PER_SECOND"] == "400"
    # What is not named stays as it was.
    assert stack.variables("Reconcile")["MAX_REFUSED_PERCENT"] == "6"

    kept = stack.all_items()
    ran = reader.run("tickets verify --failures")
    assert "Verified: 8 passed, 0 failed, 0 skipped" in ran.output
    assert stack.all_items() == kept
    assert "verify-" not in reader.run("tickets dead-letters").output

    stop_and_replay(reader, stack)
    remove(reader, stack, first)

    assert set(reader.printed) == reader.ran | NOT_RUN.keys()


def deploy_for_the_first_time(reader: Reader) -> None:
    names = parameters()
    answers = ["", ""]  # stack's name and region, as they are
    set_by_hand = {"MaxRefusedPercent": "6", "EmbeddedEngine": "true"}
    answers += [set_by_hand.get(name, "") for name in names]
    # Ask before a change, roles may be made, roll back, keep the answers in the usual place.
    answers += ["y", "y", "n", "y", "", ""]
    answers += ["y"]  # the change set, after it was shown
    ran = reader.run("sam build && sam deploy --guided", answers)
    assert "Build Succeeded" in ran.output
    assert "Successfully created/updated stack - tickets in us-east-1" in ran.output
    assert 'region = "us-east-1"' in (reader.project.folder / "samconfig.toml").read_text()


def load_a_file(reader: Reader, stack: "SamStack") -> TicketFile:
    reader.run(".venv/bin/tickets sample week-47.csv --rows 5000 --seed 47")
    ran = reader.run(".venv/bin/tickets ingest week-47.csv --wait")
    assert "Loaded: 5,000 rows read = 4,990 written + 2 superseded + 8 refused" in ran.output
    # Row by row against Python's own reading of the file: what is in the table is of the file, and
    # as many rows as the totals say.
    text = (reader.project.folder / "week-47.csv").read_text(encoding="utf-8")
    rows = {
        (row["ticket_id"], row["product"]): row["basket_id"]
        for row in csv.DictReader(io.StringIO(text, newline=""))
    }
    items = stack.all_items()
    assert len(items) == 4990
    assert all(rows[key] == item["basket_id"] for key, item in items.items())

    assert "SUCCEEDED" in reader.run(".venv/bin/tickets executions").output
    execution = stack.newest("week-47.csv")
    shown = reader.run(
        ".venv/bin/tickets refused week-47-csv-46c18d5858e62641", execution=execution
    )
    assert len(re.findall(r"^ *[0-9,]+ .* T0000\d+,", shown.output, re.MULTILINE)) == 10
    audited = reader.run("tickets audit week-47-csv-6f61ed0e869e481b", execution=execution).output
    assert re.search(r"4,990 +in the table as loaded", audited)
    assert re.search(r" 0 +missing", audited)
    loads = reader.run(".venv/bin/tickets loads --since 7d").output
    assert "week-47.csv  SUCCEEDED" in loads

    # And one whose every item, total, ledger entry and refused row is known beforehand.
    file = TicketFile("sam").rows(400)
    file.refused("{}-b01,Soap,B1,2026-03-01T12:00:00Z,Home,two,Lyon", "quantity", "bad_quantity")
    assert_loaded(stack, stack.load("sam/known.csv", file.body), file)
    return file


def refuse_a_file(reader: Reader, stack: "SamStack") -> None:
    head = "ticket_id,product,basket_id,timestamp,category,store\n"
    (reader.project.folder / "till-3.csv").write_text(
        f"{head}T1,Soap,B1,2026-01-01T10:00,Home,Lyon\n"
    )
    ran = reader.run(".venv/bin/tickets ingest till-3.csv --wait", code=None)
    assert ran.code != 0
    assert "Not loaded: The header has no column quantity." in ran.output
    letters = reader.run("tickets dead-letters").output
    assert ": The header has no column quantity." in letters
    reader.run(
        'tickets dismiss till-3-csv-54c68dbda2b94996 --reason "Test file of the supplier."',
        execution=stack.newest("till-3.csv"),
    )
    assert "till-3" not in reader.run("tickets dead-letters").output
    assert not [key for key in stack.all_items() if key[0] == "T1"]


def mend_and_replay(reader: Reader, stack: "SamStack") -> None:
    # A chunk that can't keep its refused rows: the load is incomplete.
    file = failing_load(reader, stack, "week-47", "WriteChunk", "KeepRefusedRows")
    execution = stack.newest("week-47.csv")
    assert "AccessDenied: PutObject: User: " in reader.run("tickets dead-letters").output
    shown = reader.run("tickets show week-47-csv-a8926b1b4bf6f821", execution=execution)
    assert "s3:PutObject" in shown.output
    would = reader.run("tickets replay --all --dry-run").output
    assert f"{execution}: Would start {execution}-r1." in would
    assert f"{execution}: Started {execution}-r1." in reader.run("tickets replay --all").output
    assert_loaded(stack, stack.ended_by_name(f"{execution}-r1"), file)
    again = reader.run("tickets replay week-47-csv-a8926b1b4bf6f821", execution=execution)
    assert f"Already loaded by {execution}-r1: nothing to start." in again.output
    failed = reader.run("tickets loads --since 7d --status FAILED").output
    assert "week-47.csv" not in failed, "its replay loaded it"
    reader.run("tickets loads --key 'shops/**' --since 2026-11-01 --until 2026-11-30")
    reader.run("tickets loads --attempts --csv > attempts.csv")
    attempts = (reader.project.folder / "attempts.csv").read_text(encoding="utf-8")
    assert {f"\n{execution},", f"\n{execution}-r1,"} <= set(re.findall(r"\n[^,]+,", attempts))

    # A state that keeps failing.
    file = failing_load(reader, stack, "week-48", "Reconcile", "WriteReports")
    execution = stack.newest("week-48.csv")
    assert "Reconcile failed with" in reader.run("tickets dead-letters").output
    again = reader.run("tickets replay week-48-csv-addbf4a4a253fa45", execution=execution)
    assert f"Started {execution}-r1." in again.output
    assert_loaded(stack, stack.ended_by_name(f"{execution}-r1"), file)


def failing_load(
    reader: Reader, stack: "SamStack", stem: str, function: str, sid: str
) -> TicketFile:
    file = TicketFile(stem.replace("-", "")).rows(50)
    file.refused("{}-b01,Soap,B1,2026-03-01T12:00:00Z,Home,two,Lyon", "quantity", "bad_quantity")
    with stack.without_statement(function, sid):
        assert stack.load(f"{stem}.csv", file.body)["status"] == "FAILED"
    return file


def send_an_event(reader: Reader, stack: "SamStack") -> None:
    """The samples of `events/`, sent to the deployed function."""
    invoke = reader.printed_with(INVOKE)
    ran = reader.run(invoke, FUNCTION=stack.names.outputs["StartExecutionFunctionName"])
    assert '"batchItemFailures": []' in ran.output
    ran = reader.run(
        "sam remote invoke StartExecution --event-file events/start_execution/test_event.json"
    )
    assert '"batchItemFailures": []' in ran.output


def send_uploads_again(reader: Reader, stack: "SamStack") -> None:
    file = TicketFile("week50").rows(20)
    with stack.uploads_held():
        upload = stack.upload("week-50.csv", file.body)
        [body] = stack.receive(stack.names.upload_queue_url)
    stack.sqs.send_message(QueueUrl=stack.names.upload_dead_letter_queue_url, MessageBody=body)
    ran = reader.run("tickets replay --uploads")
    assert f"s3://{upload.bucket}/week-50.csv: Sent again." in ran.output
    assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)


def deploy_again(project: Project, overrides: str) -> None:
    ran = project.run(f"sam deploy --parameter-overrides {overrides}", ["y"])
    assert "Successfully created/updated stack" in ran.output


def is_writing(stack: "SamStack", arn: str) -> bool:
    return not {"Write Small File", "Write Chunks"}.isdisjoint(stack.states_entered(arn))


def stop_and_replay(reader: Reader, stack: "SamStack") -> None:
    file = TicketFile("week49").rows(4000)  # ten seconds at 400 rows a second
    for command in ("tickets stop EXECUTION", "tickets stop week-49-csv-e7095db4d72ba27b"):
        upload = stack.upload("week-49.csv", file.body)
        arn = stack.execution_of(upload)
        until(partial(is_writing, stack, arn), "a state that writes")
        execution = arn.rpartition(":")[2]
        assert f"Stopped {execution}" in reader.run(command, execution=execution).output
        assert stack.ended(arn)["status"] == "ABORTED"
    until(
        lambda: f"{execution}  ABORTED" in reader.run("tickets dead-letters").output,
        "the ending in the queue",
    )
    would = "tickets replay week-49-csv-e7095db4d72ba27b --dry-run"
    assert "Would start" in reader.run(would, execution=execution).output
    redrive = "tickets replay week-49-csv-e7095db4d72ba27b --redrive"
    refused = reader.run(redrive, execution=execution, code=None)
    assert "can't redrive" in refused.output
    replay = "tickets replay week-49-csv-e7095db4d72ba27b"
    assert "Started" in reader.run(replay, execution=execution).output
    assert_loaded(stack, stack.ended_by_name(f"{execution}-r1"), file)


def remove(reader: Reader, stack: "SamStack", first: TicketFile) -> None:
    for part in (UPDATE_WARM, READ_WARM):
        reader.run(reader.printed_with(part))
    notes = 'aws cloudformation describe-stacks --stack-name tickets --query "Stacks[0].Outputs"'
    noted = {o["OutputKey"]: o["OutputValue"] for o in json.loads(reader.run(notes).output)}
    assert noted["LedgerTableName"] == stack.names.ledger_table

    kept, ledger = stack.all_items(), stack.ledger_size()
    reader.run("sam delete --stack-name tickets", ["y", "y"])
    assert stack.all_items() == kept
    assert stack.ledger_size() == ledger
    assert stack.object_count(noted["UploadBucketName"]) > 0
    assert stack.object_count(noted["WorkBucketName"]) > 0

    again = "sam deploy --parameter-overrides CreateTable=false TableName=Tickets"
    assert "Successfully created" in reader.run(again, ["y"]).output
    second = deployed(stack.local.engine)
    assert second.names.table == "Tickets"
    # A new stack has the defaults of whatever is not named, as the page warns.
    assert second.variables("Reconcile")["MAX_REFUSED_PERCENT"] == "5"
    # The engine makes a table's name from the stack's, always the same one, and makes the ledger
    # again over the kept one. On AWS the second ledger has another name and the first one stays.
    assert second.names.upload_bucket != stack.names.upload_bucket
    assert second.all_items() == kept
    assert_loaded(second, second.load("sam/known.csv", first.body), first)
    assert second.all_items() == kept

    # For good, both stacks' buckets and ledgers.
    reader.run("sam delete --stack-name tickets", ["y", "y"])
    empty = reader.printed_with(EMPTY)
    for one in (stack.names, second.names):
        reader.run(empty, UPLOAD_BUCKET=one.upload_bucket, WORK_BUCKET=one.work_bucket)
    for ledger_table in {stack.names.ledger_table, second.names.ledger_table}:
        drop = "aws dynamodb delete-table --table-name LEDGER-TABLE"
        reader.run(drop, LEDGER_TABLE=ledger_table)
    reader.run("aws dynamodb delete-table --table-name Tickets")
    assert stack.dynamodb.list_tables()["TableNames"] == []
    left = [one["Name"] for one in stack.s3.list_buckets()["Buckets"]]
    assert [name for name in left if not name.startswith("aws-sam-cli-managed-default")] == []


class SamStack(RunningStack):
    """The stack that SAM has deployed."""

    def newest(self, key: str) -> str:
        """The name of the newest execution about the key."""
        return self.executions(key)[0].rpartition(":")[2]

    def ended_by_name(self, name: str) -> dict[str, object]:
        machine = self.names.state_machine_arn
        return self.ended(f"{machine.replace(':stateMachine:', ':execution:')}:{name}")

    def all_items(self) -> Items:
        return {(one["ticket_id"], one["product"]): one for one in self._scan("Tickets")}

    def variables(self, function: str) -> dict[str, str]:
        name = self.names.outputs[f"{function}FunctionName"]
        about = self.functions.get_function_configuration(FunctionName=name)
        return dict(about["Environment"]["Variables"])

    def ledger_size(self) -> int:
        return sum(1 for _ in self._scan(self.names.ledger_table))

    def object_count(self, bucket: str) -> int:
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return sum(len(page.get("Versions", [])) for page in pages)


def deployed(engine: Engine) -> SamStack:
    names = Stack.find("tickets", engine.endpoint_url, engine.region, engine.session())
    return SamStack(LocalStack(names, engine))


# --- the reading of the pages itself, quick


def test_every_printed_command_is_in_the_story_or_has_a_reason_why_not() -> None:
    """The long test asserts this only at its end, after minutes."""
    here = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(here) if isinstance(node, ast.Constant)}
    parts = (INVOKE, EMPTY, UPDATE_WARM, READ_WARM)
    missing = [
        one for one in commands() if one not in texts and not any(part in one for part in parts)
    ]
    assert missing == []


def test_commands_are_found_as_they_are_printed() -> None:
    block = "$ tickets show X\ntickets is in the output\n$ aws a \\\n    --b\nmore output\n"
    assert commands_of(block) == ["tickets show X", "aws a \\\n    --b"]
    block = (
        "tickets stop X   # says why\nseconds = rows / pace\n.venv/bin/python -c '\nx = 1\n' A\n"
    )
    assert commands_of(block) == ["tickets stop X", ".venv/bin/python -c '\nx = 1\n' A"]


def test_the_pages_hold_commands_of_every_kind() -> None:
    """A reading that misses blocks would find nothing wrong."""
    printed = commands()
    assert "sam build && sam deploy --guided" in printed  # fenced
    assert "sam delete --stack-name tickets" in printed  # in a list
    assert "tickets replay --all" in printed  # after a prompt
    assert [one for one in printed if one.endswith("' UPLOAD-BUCKET WORK-BUCKET")]  # many lines
    assert NOT_RUN.keys() <= set(printed)
