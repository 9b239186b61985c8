"""`tickets status`: the state of a stack, and exit code 1 if anybody has to act."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tests.support.command_line import lines, tickets
from tests.support.dead_letter_queue import (
    event,
    graph_letter,
    notification,
    send,
    send_upload,
    waiting,
)
from tests.support.step_functions import EXECUTION, RESULT, StepFunctions
from tickets.runs import status
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")


@pytest.fixture(autouse=True)
def no_alarms(stack: Stack) -> None:
    client = stack.client("cloudwatch")
    names = [alarm["AlarmName"] for alarm in client.describe_alarms()["MetricAlarms"]]
    client.delete_alarms(AlarmNames=names)


def found(exit_code: int) -> dict[str, Any]:
    result = tickets("status", "--json")
    assert result.exit_code == exit_code, result.output
    [one] = lines(result)
    assert one["needs_a_person"] == bool(exit_code)
    return one


def ring(stack: Stack, name: str, state: str = "ALARM") -> None:
    client = stack.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        AlarmDescription=f"What {name} means.",
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


def test_a_quiet_stack_needs_nobody() -> None:
    result = tickets("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "Uploads waiting for their load to start: none",
        "Running loads: none",
        "Failures: none",
        "Alarms: none",
    ]


def test_uploads_that_wait_are_counted_and_an_old_one_needs_a_person(stack: Stack) -> None:
    for _ in range(3):
        send(stack, "{}", "UploadQueueUrl")
    assert found(0)["uploads"] == {"queued": 3, "oldest_seconds": None}
    for minutes, age in ((3, 9_999), (1, 601)):
        stack.client("cloudwatch").put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": "uploads"}],
                    "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes),
                    "Value": age,
                }
            ],
        )
    assert found(1)["uploads"]["oldest_seconds"] == 601
    shown = tickets("status").stdout
    assert "Uploads waiting for their load to start: 3, the oldest for 10 min 01 s\n" in shown


def test_running_loads_show_their_progress_the_oldest_first(
    stack: Stack, step_functions: StepFunctions, chunks: Chunks
) -> None:
    step_functions.add("later", "RUNNING", ago=timedelta(seconds=5))
    step_functions.add("week", "RUNNING", ago=timedelta(seconds=100))
    plan = {"bucket": "work", "key": "p", "chunks": 4}
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("week", {"plan": plan, "generation": "g"}, f"{EXECUTION}:week")
    ended = datetime.now(UTC)
    began = ended - timedelta(seconds=20)
    before = [(ended - timedelta(days=1)).isoformat(), (ended - timedelta(hours=20)).isoformat()]
    rounds = [before, [began.isoformat(), ended.isoformat(), "lease"]]
    for index, own in enumerate(rounds):
        progress = ChunkProgress(
            index, 0, 9, 9, finished=not index, rows_read=1_100, rows_written=1_000, rounds=[own]
        )
        chunks.save("week", "g", None, progress)
    [week, later] = found(0)["running"]["listed"]
    assert (week["execution"], week["chunks"], week["chunks_done"]) == ("week", 4, 1)
    assert (week["rows_read"], week["rows_per_second"]) == (2_200, 50), "of this execution's rows"
    assert 100 <= week["seconds"] < 160
    assert (later["execution"], later["chunks"], later["rows_read"]) == ("later", None, None)
    shown = tickets("status").stdout
    assert "Running loads: 2" in shown
    assert ", 1 of 4 chunks, 2,200 rows, 50 rows/s" in shown
    assert "no plan yet" in shown


def test_of_many_running_loads_the_others_are_counted(step_functions: StepFunctions) -> None:
    for number in range(8):
        step_functions.add(f"a{number}", "RUNNING", ago=timedelta(minutes=number))
    shown = tickets("status").stdout.splitlines()
    assert [line.split()[0] for line in shown[3:8]] == ["a7", "a6", "a5", "a4", "a3"]
    assert shown[8] == "  ... and 3 that started later"


def test_failures_are_grouped_by_cause_and_the_next_command_is_named(stack: Stack) -> None:
    for number in range(12):
        send(stack, graph_letter(f"a{number:02}"))
    send(stack, event("b", "TIMED_OUT"))
    send(stack, "no JSON")
    send_upload(stack, notification("c.csv"))
    one = found(1)["waiting"]
    assert one["messages"] == 15
    causes = {cause["reason"]: len(cause["names"]) for cause in one["failed_loads"]}
    assert list(causes.values()) == [12, 1, 1]
    assert causes["The execution timed out."] == 1
    assert one["unstarted_uploads"][0]["names"] == ["s3://uploads/c.csv"]
    shown = tickets("status").stdout.splitlines()
    assert shown[3] == "Failed loads: 14"
    assert shown[4].startswith("  a11, a10, a09 and 9 more: 1 of 4 chunks are not finished")
    assert shown[7] == "next: tickets dead-letters"
    assert shown[8] == "Uploads that started no load: 1"
    assert shown[10] == "next: tickets replay --uploads"
    assert waiting(stack)[:2] == [14, 1], "the messages are visible again"


def test_causes_that_differ_only_in_the_names_of_their_executions_are_one(stack: Stack) -> None:
    for name in ("till-1", "till-2"):
        send(stack, graph_letter(name, cause=f"No permission to write the rows of {name}."))
    [cause] = found(1)["waiting"]["failed_loads"]
    assert cause["names"] == ["till-2", "till-1"]


def test_dead_letters_that_another_reader_holds_need_a_person_too(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_GLANCE_SECONDS", 0)
    send(stack, graph_letter("a"))
    url = stack.failed_executions_queue_url
    stack.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    assert found(1)["waiting"] == {"messages": 1, "failed_loads": [], "unstarted_uploads": []}
    assert "Failures: 1 dead letter\nnext: tickets dead-letters" in tickets("status").stdout


def test_only_so_many_dead_letters_are_read(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "MAX_LETTERS", 10)
    for number in range(25):
        send(stack, graph_letter(f"a{number:02}"))
    one = found(1)["waiting"]
    assert one["messages"] == 25
    assert 10 <= len(one["failed_loads"][0]["names"]) < 25


def test_the_stacks_own_alarms_that_ring(stack: Stack) -> None:
    ring(stack, "tickets-LoadsFailed-1A2B3C")
    ring(stack, "tickets-UploadsWait-1A2B3C", "OK")
    ring(stack, "tickets-prod-LoadsFailed-1A2B3C")
    [alarm] = found(1)["alarms"]
    assert alarm["name"] == "LoadsFailed"
    assert alarm["description"] == "What tickets-LoadsFailed-1A2B3C means."
    assert "Alarms: 1\n  LoadsFailed since " in tickets("status").stdout


def test_the_last_loads_have_their_endings(step_functions: StepFunctions) -> None:
    output = json.dumps({"verdict": "accepted", "result": RESULT})
    for number in range(4):
        step_functions.add(f"a{number}", output=output, ago=timedelta(minutes=10 + number))
    step_functions.add("failed", "FAILED", ago=timedelta(minutes=5))
    step_functions.add("running", "RUNNING", ago=timedelta(minutes=1))
    step_functions.add("oldest", ago=timedelta(days=3))
    last = found(0)["last"]
    assert [one["execution"] for one in last] == ["failed", "a0", "a1", "a2", "a3"]
    assert (last[0]["status"], last[0]["ending"], last[0]["rows_written"]) == ("FAILED", None, None)
    assert (last[1]["ending"], last[1]["rows_written"], last[1]["seconds"]) == ("Loaded", 97, 60)
    shown = tickets("status").stdout.splitlines()[-4]
    assert shown.startswith("  a0  SUCCEEDED Loaded, ")
    assert shown.endswith(", 1 min 00 s, 97 rows written")


def test_what_may_not_be_read_is_named(stack: Stack) -> None:
    denied: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}

    def refuse(**_: Any) -> None:
        raise botocore.exceptions.ClientError(denied, "DescribeAlarms")

    events = stack.client("cloudwatch").meta.events
    events.register("before-call.cloudwatch.DescribeAlarms", refuse)
    try:
        one = found(0)
    finally:
        events.unregister("before-call.cloudwatch.DescribeAlarms", refuse)
    assert one["alarms"] is None
    assert one["unknown"] == ["the alarms: AccessDenied (DescribeAlarms)"]


def test_watch_shows_it_again_until_it_is_interrupted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pauses() -> Iterator[None]:
        send(stack, graph_letter("a"))
        yield
        raise KeyboardInterrupt

    pause = pauses()
    monkeypatch.setattr(time, "sleep", lambda _: next(pause))
    result = tickets("status", "--watch", "--json")
    assert [one["needs_a_person"] for one in lines(result)] == [False, True]
    assert result.exit_code == 1
