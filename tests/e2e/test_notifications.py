"""What a load announces at its end: an event for consumers' rules, and its metrics."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile


class Consumer:
    """A queue of a consumer, behind a rule on everything that the product announces."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._rule = "consumer-of-loads"
        self.events: list[dict[str, Any]] = []
        self._client = stack.names.client("events")
        self._url = stack.sqs.create_queue(QueueName=self._rule)["QueueUrl"]
        arn = stack.sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self._client.put_rule(Name=self._rule, EventPattern=json.dumps({"source": ["tickets"]}))
        target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
        self._client.put_targets(Rule=self._rule, Targets=[target])

    def about(self, execution: dict[str, Any]) -> dict[str, Any]:
        """The one event about an execution."""

        def look() -> list[dict[str, Any]]:
            self.events += map(json.loads, self._stack.receive(self._url))
            arn = execution["executionArn"]
            return [one for one in self.events if one["detail"]["execution_arn"] == arn]

        [event] = until(look, f"an event about {execution['name']}")
        return event

    def close(self) -> None:
        self._client.remove_targets(Rule=self._rule, Ids=["queue"])
        self._client.delete_rule(Name=self._rule)
        self._stack.sqs.delete_queue(QueueUrl=self._url)


@pytest.fixture
def consumer(stack: RunningStack) -> Iterator[Consumer]:
    made = Consumer(stack)
    yield made
    made.close()


def test_a_load_that_succeeds_is_announced_with_its_totals_and_its_report(
    stack: RunningStack, consumer: Consumer
) -> None:
    execution = stack.load("notified/good.csv", TicketFile("notified").rows(40).body)
    event = consumer.about(execution)
    assert (event["source"], event["detail-type"]) == ("tickets", "Load Succeeded")
    detail = event["detail"]
    assert detail["input"] == json.loads(execution["input"])
    assert (detail["execution_name"], detail["load_id"]) == (execution["name"],) * 2
    assert (detail["result"]["rows_read"], detail["result"]["rows_written"]) == (40, 40)
    report = json.loads(stack.read_url(detail["result"]["report"]))
    assert report["rows_written"] == 40


def test_a_load_that_fails_is_announced_as_its_dead_letter_says_it(
    stack: RunningStack, consumer: Consumer
) -> None:
    execution = stack.load("notified/empty.csv", b"")
    event = consumer.about(execution)
    assert event["detail-type"] == "Load Failed"
    [letter] = stack.all_dead_letters(execution["executionArn"])
    assert event["detail"] == letter
    assert letter["cause"] == "The file is empty; a file needs at least a header."


def test_a_load_whose_announcement_fails_ends_as_it_would_have(stack: RunningStack) -> None:
    def lose_eventbridge(definition: dict[str, Any]) -> None:
        for name in ("Announce Success", "Announce Failure"):
            definition["States"][name]["Resource"] = "arn:aws:states:::aws-sdk:nothing:putEvents"

    with stack.definition_changed(lose_eventbridge):
        good = stack.load("notified/unheard.csv", TicketFile("unheard").rows(40).body)
        bad = stack.load("notified/unheard-empty.csv", b"")

    for execution, state in ((good, "Announce Success"), (bad, "Announce Failure")):
        failed = [
            event["type"]
            for event in stack.history(execution["executionArn"])
            if event["type"] in {"TaskFailed", "TaskStateAborted"}
        ]
        assert failed, f"{state} was to fail"
    assert good["status"] == "SUCCEEDED"
    assert stack.states_entered(good["executionArn"])[-2:] == ["Announce Success", "Loaded"]
    assert len(stack.items_of("unheard")) == 40
    assert (bad["status"], bad["error"]) == ("FAILED", "LoadFailed")
    [letter] = stack.all_dead_letters(bad["executionArn"])
    assert letter["cause"] == "The file is empty; a file needs at least a header."


def test_the_metrics_of_a_load_are_in_the_log_of_its_stack(stack: RunningStack) -> None:
    """CloudWatch makes metrics of such a line; the engine keeps it as it is."""
    body = TicketFile("measured").rows(40).body
    execution = stack.load("notified/measured.csv", body)
    logs = stack.names.client("logs")
    group = f"/aws/lambda/{stack.names.name}/reconcile"
    since = int(execution["startDate"].timestamp()) * 1000

    def look() -> list[dict[str, Any]]:
        events = logs.filter_log_events(logGroupName=group, startTime=since)["events"]
        records = [json.loads(one["message"]) for one in events if '"_aws"' in one["message"]]
        return [one for one in records if one["Bytes"] == [len(body)]]

    [record] = until(look, "the metrics in the log")
    assert (record["service"], record["Outcome"]) == (stack.names.name, "Succeeded")
    assert (record["RowsRead"], record["RowsWritten"]) == ([40], [40])
