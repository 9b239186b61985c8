"""A week on call: every alarm is cured with few commands, which print little.

Each night begins with `tickets status`, and goes on with what the command itself proposes. The
table in docs/operations.md lists these nights.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.command_line import tickets
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets.local.deployment import local_stack
from tickets.runs import dead_letters

pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(300)]

MAX_COMMANDS = 2
"""Besides those that cure."""
MAX_LINES = 25
"""Lines of output of a whole night. A terminal of this height shows it at once."""
TIME = "2026-03-01T12:00:00Z"


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """A stack of its own, because `status` shows everything that happens in it."""
    parameters = {"ChunkSizeBytes": "65536", "LineageAttribute": "lineage"}
    with local_stack(parameters=parameters, wait_scale=0.02) as local:
        yield RunningStack(local)


@dataclass
class Night:
    """What an operator types in one night, and what is printed."""

    looks: int = 0
    cures: int = 0
    output: list[str] = field(default_factory=list)

    def look(self, *arguments: str, exit_code: int = 0) -> list[str]:
        """Runs a command that changes nothing, and returns what it prints."""
        self.looks += 1
        return self._run(arguments, exit_code)

    def cure(self, *arguments: str, exit_code: int = 0) -> list[str]:
        self.cures += 1
        return self._run(arguments, exit_code)

    def _run(self, arguments: tuple[str, ...], exit_code: int) -> list[str]:
        result = tickets(*arguments)
        print(f"$ tickets {' '.join(arguments)}\n{result.output}")  # shown when the test fails
        assert result.exit_code == exit_code, result.output
        lines = result.output.splitlines()
        self.output += lines
        return lines


def proposed(lines: list[str]) -> list[str]:
    """The arguments of the command that an output proposes."""
    [line] = [one for one in lines if one.startswith("next: tickets ")]
    return line.split()[2:]


@pytest.fixture
def night(stack: RunningStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Night]:
    """A night that must end with nothing left to do."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.local.engine.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", stack.local.engine.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", stack.local.engine.secret_access_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", stack.local.engine.region)
    monkeypatch.setattr(dead_letters, "_WAIT_SECONDS", 0)  # the engine has one server only
    monkeypatch.chdir(tmp_path)
    night = Night()
    yield night
    assert night.looks <= MAX_COMMANDS
    assert len(night.output) < MAX_LINES, "\n".join(night.output)
    assert tickets("status").exit_code == 0


def assert_loaded(stack: RunningStack, arn: str, file: TicketFile) -> None:
    """The execution loaded the file, and each of its rows is in the table."""
    assert stack.ended(arn)["status"] == "SUCCEEDED"
    assert stack.items_of(file.name).keys() == file.expected().items.keys()


def name_of(stack: RunningStack, key: str) -> str:
    """The newest execution of a key."""
    return stack.executions(key)[0].rpartition(":")[2]


def test_a_permission_was_removed(stack: RunningStack, night: Night) -> None:
    file = TicketFile("monday").rows(300)
    packed = gzip.compress(file.body)
    with stack.without_action("WriteChunk", "WriteItems", "dynamodb:BatchWriteItem", 0):
        assert stack.load("monday.csv.gz", packed)["status"] == "FAILED"

    look = proposed(night.look("status", exit_code=1))
    found = night.look(*look)
    assert "dynamodb:BatchWriteItem" in found[0]
    night.cure(*proposed(found), "--wait")
    [arn, _] = stack.executions("monday.csv.gz")
    assert_loaded(stack, arn, file)


def test_ten_loads_failed_at_once(stack: RunningStack, night: Night) -> None:
    files = [TicketFile(f"tuesday-{number}").rows(20) for number in range(10)]
    with stack.without_action("WriteChunk", "WriteItems", "dynamodb:BatchWriteItem", 0):
        uploads = [stack.upload(f"till-{at}.csv", file.body) for at, file in enumerate(files)]
        arns = [stack.execution_of(upload) for upload in uploads]
        assert {stack.ended(arn)["status"] for arn in arns} == {"FAILED"}

    cause, *_ = found = night.look("dead-letters")
    assert cause.startswith("10 loads: AccessDenied")
    night.cure(*proposed(found), "--wait")
    for arn, file in zip(arns, files, strict=True):
        assert_loaded(stack, f"{arn}-r1", file)


def test_a_file_was_refused(stack: RunningStack, night: Night) -> None:
    assert stack.load("wednesday.csv", b"ticket,product\n1,2\n")["status"] == "FAILED"

    found = night.look("dead-letters")
    assert 'no column ticket_id. Is it "ticket"?' in found[0]
    corrected = TicketFile("wednesday").rows(20)
    Path("wednesday.csv").write_bytes(corrected.body)
    night.cure("ingest", "wednesday.csv", "--wait")
    night.cure("replay", "--all")  # starts nothing, and takes the message away
    arn = stack.executions("wednesday.csv")[0]
    assert_loaded(stack, arn, corrected)


def test_ten_percent_of_the_rows_were_bad(stack: RunningStack, night: Night) -> None:
    file = TicketFile("thursday").rows(90)
    for number in range(10):
        row = f"{{}}-b{number},Soap,B1,{TIME},Home,two,Lyon"
        file.refused(row, "quantity", "bad_quantity")
    assert stack.load("thursday.csv", file.body)["status"] == "FAILED"
    name = name_of(stack, "thursday.csv")

    found = night.look("dead-letters")
    assert "10 of 100 rows are refused" in found[0]
    assert proposed(found) == ["refused", name]
    resubmit = proposed(night.cure("refused", name, "--fixable", "rows.csv"))
    rows = Path("rows.csv").read_bytes()
    assert rows.count(b",two,") == 10
    Path("rows.csv").write_bytes(rows.replace(b",two,", b",2,"))
    night.cure(*resubmit)
    quantities = [item["quantity"] for item in stack.items_of("thursday").values()]
    assert len(quantities) == 100
    assert quantities.count(2) >= 10


def test_a_load_was_stopped(stack: RunningStack, night: Night) -> None:
    file = TicketFile("friday").rows(3000)
    # Slow enough to be stopped in the middle. Running chunks go on after the stop, as on AWS.
    variables = {"MAX_ROWS_PER_SECOND": "1000"}
    with stack.function_changed("WriteChunk", Environment={"Variables": variables}):
        upload = stack.upload("friday.csv", file.body)
        arn = stack.execution_of(upload)
        name = arn.rpartition(":")[2]
        until(lambda: stack.items_of("friday"), "the first rows")
        night.cure("stop", name, "--reason", "wrong table")
        assert stack.ended(arn)["status"] == "ABORTED"

        def reported() -> bool:
            return name in tickets("dead-letters").stdout

        until(reported, "EventBridge's message about it")
        found = night.look("dead-letters")
        night.cure(*proposed(found), "--wait")
        assert_loaded(stack, f"{arn}-r1", file)


def test_an_upload_could_not_be_started(stack: RunningStack, night: Night) -> None:
    file = TicketFile("saturday").rows(20)
    with stack.failed_uploads_return_after(seconds=1):
        with stack.without_statement("StartExecution", "StartExecutions"):
            upload = stack.upload("saturday.csv", file.body)

            def given_up() -> bool:
                return "saturday.csv" in tickets("dead-letters").stdout

            until(given_up, "the upload in its dead-letter queue", seconds=90)
        found = night.look("dead-letters")
        assert "states:StartExecution" in "".join(found)
        night.cure(*proposed(found))
        assert_loaded(stack, stack.execution_of(upload), file)


def test_a_wrong_file_is_undone(stack: RunningStack, night: Night) -> None:
    right = TicketFile("sunday").rows(50)
    assert stack.load("sunday.csv", right.body)["status"] == "SUCCEEDED"
    wrong = TicketFile("sunday-wrong").rows(50)
    assert stack.load("sunday.csv", wrong.body)["status"] == "SUCCEEDED"
    name = name_of(stack, "sunday.csv")

    counted = night.look("undo", name)
    assert "50 items would be deleted" in "".join(counted)
    night.cure(*proposed(counted), "--reason", "test data")
    assert not stack.items_of("sunday-wrong")
    assert len(stack.items_of("sunday")) == 50


def test_an_auditor_asks_a_year_later(stack: RunningStack, night: Night) -> None:
    assert stack.load("audited.csv", TicketFile("audited").rows(5).body)["status"] == "SUCCEEDED"
    name = name_of(stack, "audited.csv")

    [header, *rows] = csv.reader(
        io.StringIO("\n".join(night.look("loads", "--csv", "--limit", "5")))
    )
    newest = dict(zip(header, rows[0], strict=True))
    assert (newest["key"], newest["execution"], newest["status"]) == (
        "audited.csv",
        name,
        "SUCCEEDED",
    )
    assert (newest["rows_read"], newest["rows_written"]) == ("5", "5")
    ticket, product = next(iter(stack.items_of("audited")))
    traced = night.look("trace", ticket, product)
    assert f"of s3://{stack.names.upload_bucket}/audited.csv" in traced[0]
    assert f"load {name}, SUCCEEDED" in traced[0]
