"""Guarantees of the alarms: there is one for each way to lose or stall a file, on a metric that
exists.

The embedded engine makes the alarms but sends no metrics, so nothing ever rings there.
"""

import itertools
import re
from typing import Any

import pytest

from tests.support.command_line import tickets
from tests.support.deployed import REGION, ROOT, Stack, as_list, deploy, statements
from tests.support.states import all_states
from tools import definition

TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call"
FUNCTION = "AWS::Lambda::Function"
LOSES_NO_FILE = {"WriteReportPage", "ReportPagesQueue", "EndingsRule"}
"""They make report pages. A page that can't be made is in their dead-letter queue, which has an
alarm, and `tickets report --missing` makes those whose events are lost."""
FUNCTIONS = [one for one in deploy().of_type(FUNCTION) if one not in LOSES_NO_FILE]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

# What AWS sends, from the pages on metrics in the guides of SQS, Step Functions, Lambda, DynamoDB
# and EventBridge: namespace -> the dimension that names one resource, and metrics sent under it
# alone (a rule on the default bus has no second dimension).
SENT_BY_AWS = {
    "AWS/SQS": (
        "QueueName",
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    ),
    "AWS/States": (
        "StateMachineArn",
        {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"},
    ),
    "AWS/Lambda": ("FunctionName", {"Errors", "Throttles", "Duration"}),
    "AWS/DynamoDB": ("TableName", {"ReadThrottleEvents", "WriteThrottleEvents"}),
    "AWS/Events": ("RuleName", {"FailedInvocations"}),
}

READS = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"}
WRITES = {
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
}


def ways_to_lose_or_stall_a_file(stack: Stack) -> set[tuple[str, str]]:
    """(metric, logical id) of everything that has to be watched, worked out from the resources: so
    a function, queue, table, rule or state machine that is added needs its alarms."""
    expected: set[tuple[str, str]] = {
        *itertools.product(["Errors", "Throttles", "Duration"], stack.of_type(FUNCTION)),
        *itertools.product(
            ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"],
            stack.of_type("AWS::StepFunctions::StateMachine"),
        ),
        *itertools.product(["FailedInvocations"], stack.of_type("AWS::Events::Rule")),
    }
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    polled = {one["EventSourceArn"] for one in mappings}
    for name in stack.of_type("AWS::SQS::Queue"):
        # A queue that a function polls must not keep its messages; any other must have none.
        is_polled = stack.arn(name) in polled
        age, number = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
        expected.add((age if is_polled else number, name))
    for name in stack.of_type("AWS::DynamoDB::Table"):
        used = {
            action
            for role in stack.of_type("AWS::IAM::Role")
            for statement in statements(stack, role)
            if stack.arn(name) in as_list(statement["Resource"])
            for action in as_list(statement["Action"])
        }
        if used & READS:
            expected.add(("ReadThrottleEvents", name))
        if used & WRITES:
            expected.add(("WriteThrottleEvents", name))
    return {(metric, name) for metric, name in expected if name not in LOSES_NO_FILE}


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    return stack.of_type("AWS::CloudWatch::Alarm")


NAMES = sorted(alarms(deploy()))


def dimension(alarm: dict[str, Any]) -> tuple[str, str]:
    [only] = alarm["Dimensions"]
    return only["Name"], only["Value"]


def watched(stack: Stack) -> dict[tuple[str, str], str]:
    """(namespace, value of its dimension) -> logical id, of every resource of the stack."""
    names: dict[tuple[str, str], str] = {}
    for namespace, kind in (
        ("AWS/SQS", "AWS::SQS::Queue"),
        ("AWS/States", "AWS::StepFunctions::StateMachine"),
        ("AWS/Lambda", "AWS::Lambda::Function"),
        ("AWS/DynamoDB", "AWS::DynamoDB::Table"),
        ("AWS/Events", "AWS::Events::Rule"),
    ):
        for name in stack.of_type(kind):
            url = stack.ref(name)  # of a queue; of everything else its dimension's value
            names[namespace, url.rpartition("/")[2] if namespace == "AWS/SQS" else url] = name
    return names


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_is_on_a_metric_that_aws_sends_for_a_resource_of_the_stack(
    stack: Stack, name: str
) -> None:
    alarm = alarms(stack)[name]
    expected, metrics = SENT_BY_AWS[alarm["Namespace"]]
    given, value = dimension(alarm)
    assert given == expected
    assert alarm["MetricName"] in metrics
    assert (alarm["Namespace"], value) in watched(stack)


def test_every_way_to_lose_or_stall_a_file_has_one_alarm_and_nothing_else_has(
    stack: Stack,
) -> None:
    known = watched(stack)
    found = [
        (alarm["MetricName"], known[alarm["Namespace"], dimension(alarm)[1]])
        for alarm in alarms(stack).values()
    ]
    assert sorted(found) == sorted(ways_to_lose_or_stall_a_file(stack))


def test_a_table_of_somebody_else_is_watched_too() -> None:
    alarm = deploy(CreateTable="false", TableName="Purchases").properties("TableThrottlesAlarm")
    assert dimension(alarm) == ("TableName", "Purchases")


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_says_what_is_wrong_and_names_its_page(stack: Stack, name: str) -> None:
    description = alarms(stack)[name]["AlarmDescription"]
    where = f"--stack-name {stack.ref('AWS::StackName')} --region {REGION}"
    command, page = r"tickets ([a-z -]+[A-Z]*)", r"docs/operations\.md#([a-z-]+)"
    found = re.fullmatch(rf"[^#]+\. Run `{command} {where}`\. See {page}", description)
    assert found, description
    help_of_command = tickets(*found[1].split(), "--stack-name", "x", "--region", "y", "--help")
    assert help_of_command.exit_code == 0, found[1]
    assert len(description) <= 1024  # CloudWatch takes no more
    pages = {slug(one) for one in re.findall(r"^#+ (.*)$", OPERATIONS, re.MULTILINE)}
    assert found[2] in pages, f"docs/operations.md has no page #{found[2]}"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_an_alarm_says_what_it_means_where_to_look_and_what_to_do(
    stack: Stack, name: str
) -> None:
    anchor = alarms(stack)[name]["AlarmDescription"].rpartition("#")[2]
    [page] = [
        text
        for heading, text in re.findall(r"^#+ (.*)\n((?:(?!^#+ ).*\n?)*)", OPERATIONS, re.MULTILINE)
        if slug(heading) == anchor
    ]
    for part in ("**Look at**", "**Do:**"):
        assert part in page, f"{anchor} has no {part}"


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_not_a_fault(stack: Stack, name: str) -> None:
    """All these metrics are sent only while there is something to count: an idle stack, and a queue
    without activity, send none."""
    assert alarms(stack)[name]["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_rings_within_a_quarter_of_an_hour(stack: Stack, name: str) -> None:
    """Or an hour, if a task is throttled: it is only retried, for a day."""
    alarm = alarms(stack)[name]
    is_retried = alarm["MetricName"] == "Throttles" and name != "StartExecutionThrottlesAlarm"
    minutes = 60 if is_retried else 15
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= minutes * 60
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]


def test_what_is_lost_rings_at_once_and_at_the_first_one(stack: Stack) -> None:
    for metric, resource in (
        ("ApproximateNumberOfMessagesVisible", "UploadDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "FailedExecutionsQueue"),
        ("ExecutionsFailed", "Ingest"),
        ("ExecutionsTimedOut", "Ingest"),
        ("ExecutionsAborted", "Ingest"),
        ("FailedInvocations", "UncaughtEndingsRule"),
    ):
        known = watched(stack)
        [alarm] = [
            one
            for one in alarms(stack).values()
            if (one["MetricName"], known[one["Namespace"], dimension(one)[1]]) == (metric, resource)
        ]
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["EvaluationPeriods"] == 1
        counted = metric == "ApproximateNumberOfMessagesVisible"
        assert alarm["Statistic"] == ("Maximum" if counted else "Sum")


@pytest.mark.parametrize("function", [one for one in FUNCTIONS if one != "StartExecution"])
def test_throttling_rings_before_the_retries_are_used_up(stack: Stack, function: str) -> None:
    alarm = stack.properties(f"{function}ThrottlesAlarm")
    [state] = [
        one
        for name, one in all_states(definition.load()).items()
        if name.replace(" ", "") == function
    ]
    [retrier] = [
        one for one in state["Retry"] if one["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    ]
    # With full jitter a wait is half of its bound on average.
    waits = [
        min(retrier["MaxDelaySeconds"], retrier["IntervalSeconds"] * retrier["BackoffRate"] ** n)
        / 2
        for n in range(retrier["MaxAttempts"])
    ]
    assert alarm["Period"] * alarm["EvaluationPeriods"] < sum(waits)


def test_an_upload_waits_longer_than_a_batch_may_take_before_it_rings(stack: Stack) -> None:
    """A message that is being worked on is as old as its batch, and comes again after a failure."""
    alarm = stack.properties("UploadsWaitingAlarm")
    assert alarm["Statistic"] == "Maximum"
    assert alarm["Threshold"] >= 3 * stack.properties("UploadQueue")["VisibilityTimeout"]
    # But rings before the queue loses anything.
    assert alarm["Threshold"] * 10 < stack.properties("UploadQueue")["MessageRetentionPeriod"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_call_near_its_timeout_rings_before_the_timeout(stack: Stack, function: str) -> None:
    timeout = stack.properties(function)["Timeout"]
    alarm = stack.properties(f"{function}DurationAlarm")
    assert alarm["Statistic"] == "Maximum"
    assert f"{timeout} seconds" in alarm["AlarmDescription"]
    seconds = alarm["Threshold"] / 1000  # Lambda's Duration is in milliseconds
    if function == "WriteChunk":
        # write_chunk stops by itself 30 seconds before its timeout. Only a longer run is a fault.
        assert timeout - 30 < seconds < timeout
    else:
        assert seconds == 0.8 * timeout


@pytest.mark.parametrize("name", NAMES)
def test_alarms_without_a_topic_tell_nobody_and_with_one_tell_it_both_ways(name: str) -> None:
    silent = alarms(deploy())[name]
    assert not {"AlarmActions", "OKActions"} & silent.keys()
    telling = alarms(deploy(AlarmTopicArn=TOPIC))[name]
    assert telling["AlarmActions"] == telling["OKActions"] == [TOPIC]


def test_the_embedded_engine_gets_the_same_alarms(stack: Stack) -> None:
    assert alarms(deploy(EmbeddedEngine="true")) == alarms(stack)
