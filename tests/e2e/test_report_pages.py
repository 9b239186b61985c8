"""Report pages on the whole stack: what becomes of one that can't be made, whose ending was never
announced, or whose execution is gone. tests/e2e/test_endings.py has the page of each ending."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.planted_faults import attribute, rule_disabled
from tests.support.report_pages import equation, kept_page
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets.cli.app import app

pytestmark = pytest.mark.usefixtures("command_finds_stack")


def report(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["report", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_page_is_found_after_its_execution_is_gone(stack: RunningStack) -> None:
    file = TicketFile("gone").rows(30)
    loaded = stack.load("pages/gone.csv", file.body)
    stopped = stack.describe(stack.aborted_execution())
    pages = {
        loaded["name"]: stack.assert_page(loaded, "Loaded", equation(file.expected().totals)),
        stopped["name"]: stack.assert_page(stopped, "Stopped", None),
    }

    stack.forget_executions()

    for name, page in pages.items():
        with pytest.raises(stack.states.exceptions.ExecutionDoesNotExist):
            stack.describe(stack.names.execution_arn(name))
        assert report(name, "--output", "-") == page.html
        assert kept_page(stack, stack.names.work_bucket, name) == page


@pytest.mark.exhaustive
def test_a_page_whose_ending_was_not_announced_is_made_once(stack: RunningStack) -> None:
    file = TicketFile("unannounced").rows(30)
    with rule_disabled("EndingsRule")(stack):
        execution = stack.load("pages/unannounced.csv", file.body)
        # The rule of other endings still sends, so that an event of this one would have come.
        stack.all_dead_letters(execution["executionArn"])
        assert kept_page(stack, stack.names.work_bucket, execution["name"]) is None
    address = f"s3://{stack.names.work_bucket}/reports/{execution['name']}.html"
    assert address in report("--missing").splitlines()
    stack.assert_page(execution, "Loaded", equation(file.expected().totals))
    assert report("--missing") == ""


@pytest.mark.exhaustive
def test_a_message_that_announces_no_ending_becomes_a_dead_letter_and_others_do_not(
    stack: RunningStack,
) -> None:
    queue = stack.names.outputs["ReportPagesQueueUrl"]
    dead_letters = stack.names.outputs["ReportPagesDeadLetterQueueUrl"]
    file = TicketFile("known").rows(3)
    known = stack.load("pages/known.csv", file.body)
    forgotten = stack.names.execution_arn("nobody-knows-it")
    with attribute("ReportPagesQueueUrl", VisibilityTimeout="1")(stack):
        for body in ({}, ending(known["executionArn"]), ending(forgotten)):
            stack.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        assert stack.received(dead_letters, 1) == ["{}"]
        until(lambda: stack.queue_is_empty(queue), "an empty queue of endings")
    assert stack.queue_is_empty(dead_letters)


def ending(arn: str) -> dict[str, Any]:
    name = arn.rpartition(":")[2]
    return {"detail": {"executionArn": arn, "name": name, "redriveCount": 0}}
