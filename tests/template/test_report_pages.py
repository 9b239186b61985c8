"""Guarantees of the way from an execution's end to its report page: the rule, the queue and the
function. The engine sends no event of an execution that timed out, so its rule is proved here."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.support.cloud import STATE_MACHINE_ARN
from tests.support.deployed import Stack, assert_admits_only, deploy
from tests.support.sample_events import ALL, read

SAMPLES = [event for event in ALL if event.startswith("write_report_page/")]


def announced(sample: str) -> Any:
    """The event of EventBridge in a sample's message."""
    [record] = read(sample)["Records"]
    return json.loads(record["body"])


def matches(event: Any) -> bool:
    stack = deploy({"AWS::Region": "us-east-1"})
    assert stack.ref("Ingest") == STATE_MACHINE_ARN
    pattern = stack.properties("EndingsRule")["EventPattern"]
    return bool(EventPattern(json.dumps(pattern), pattern).matches_event(event))


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_rule_announces_every_ending(sample: str) -> None:
    assert matches(announced(sample))


def test_there_is_a_sample_of_every_status_in_which_an_execution_ends() -> None:
    found = {announced(sample)["detail"]["status"] for sample in SAMPLES}
    assert found == {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "RUNNING"},
        {"status": "PENDING_REDRIVE"},
        {"stateMachineArn": f"{STATE_MACHINE_ARN}2"},
        {"stateMachineArn": f"{STATE_MACHINE_ARN}/WriteChunks"},
    ],
)
def test_the_rule_is_silent_about_everything_else(change: dict[str, str]) -> None:
    event = announced("write_report_page/succeeded.json")
    assert not matches({**event, "detail": {**event["detail"], **change}})


def test_the_rule_is_on_and_delivers_to_its_queue(stack: Stack) -> None:
    rule = stack.properties("EndingsRule")
    assert rule.get("State", "ENABLED") == "ENABLED"
    assert [target["Arn"] for target in rule["Targets"]] == [stack.arn("ReportPagesQueue")]
    assert rule["Targets"][0].keys() == {"Id", "Arn"}  # the event as it is


def test_the_queue_admits_exactly_this_rule(stack: Stack) -> None:
    assert_admits_only(stack, "ReportPagesQueue", "EndingsRule")


def test_a_page_that_cannot_be_made_is_tried_five_times_and_then_set_aside(stack: Stack) -> None:
    queue = stack.properties("ReportPagesQueue")
    assert queue["VisibilityTimeout"] == 6 * stack.properties("WriteReportPage")["Timeout"]
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": stack.arn("ReportPagesDeadLetterQueue"),
        "maxReceiveCount": 5,
    }


def test_a_failure_concerns_one_page(stack: Stack) -> None:
    """The handler takes one message at a time, and fails if it can't make the page."""
    mapping = stack.properties("WriteReportPageEndings")
    assert mapping["FunctionName"] == "WriteReportPage"
    assert mapping["EventSourceArn"] == stack.arn("ReportPagesQueue")
    assert mapping["BatchSize"] == 1
    assert mapping.get("Enabled", True) is True
