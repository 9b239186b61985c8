"""Guarantees of the state machine's deployment: definition, logging, and the rule beside it.

The embedded engine drops logging and the machine's own timeout, so this is where they are proved.
"""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.support.deployed import ACCOUNT, REGION, ROOT, Stack, assert_admits_only, deploy, source
from tests.support.state_machine import handler_of
from tests.support.states import all_states
from tools import definition

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:Ingest"
GRACE_SECONDS = 60


def loaded(stack: Stack) -> dict[str, Any]:
    return definition.load(stack.properties("Ingest")["DefinitionSubstitutions"])


def test_the_state_machine_is_standard_and_made_of_the_definition_file(stack: Stack) -> None:
    properties = source()["Resources"]["Ingest"]["Properties"]
    assert ROOT / properties["DefinitionUri"] == definition.DEFINITION
    assert stack.properties("Ingest")["StateMachineType"] == "STANDARD"
    assert list(stack.of_type("AWS::StepFunctions::StateMachine")) == ["Ingest"]


def test_substitutions_supply_exactly_the_placeholders_of_the_definition(stack: Stack) -> None:
    text = definition.DEFINITION.read_text(encoding="utf-8")
    given = stack.properties("Ingest")["DefinitionSubstitutions"]
    assert given.keys() == definition.placeholders(text)


def test_a_load_is_ended_after_four_days_by_default(stack: Stack) -> None:
    assert loaded(stack)["TimeoutSeconds"] == 4 * 24 * 60 * 60


def test_numbers_in_the_definition_are_numbers_after_substitution() -> None:
    machine = loaded(deploy(LoadTimeoutSeconds=3600, MapConcurrency=7))
    assert machine["TimeoutSeconds"] == 3600
    assert machine["States"]["Write Chunks"]["MaxConcurrency"] == 7
    for name, state in all_states(machine).items():
        for key in ("TimeoutSeconds", "MaxConcurrency"):
            assert isinstance(state.get(key, 0), int), name


def function_of(task: str) -> str:
    """The logical id of a task's function."""
    return handler_of(task).title().replace("_", "")


def test_each_task_invokes_the_function_of_its_name(stack: Stack) -> None:
    invoked = {
        name: state["Parameters"]["FunctionName"]
        for name, state in all_states(loaded(stack)).items()
        if state.get("Resource", "").endswith(":lambda:invoke")
    }
    assert invoked == {name: stack.arn(function_of(name)) for name in invoked}
    assert {function_of(name) for name in invoked} == stack.of_type(
        "AWS::Lambda::Function"
    ).keys() - {"StartExecution", "WriteReportPage"}


def test_each_task_waits_at_least_a_minute_longer_than_its_function_runs(stack: Stack) -> None:
    """A task that times out earlier leaves its function writing beside the retry."""
    for name, state in all_states(loaded(stack)).items():
        if state.get("Resource", "").endswith(":lambda:invoke"):
            timeout = stack.properties(function_of(name))["Timeout"]
            assert state["TimeoutSeconds"] >= timeout + GRACE_SECONDS, name


def test_failures_are_sent_to_the_failed_executions_queue(stack: Stack) -> None:
    state = loaded(stack)["States"]["Send To Dead Letter Queue"]
    assert state["Parameters"]["QueueUrl"] == stack.ref("FailedExecutionsQueue")


def test_map_results_go_to_the_work_bucket(stack: Stack) -> None:
    writer = loaded(stack)["States"]["Write Chunks"]["ResultWriter"]
    assert writer["Parameters"]["Bucket"] == stack.ref("WorkBucket")


def test_everything_that_an_execution_does_is_logged_with_its_data(stack: Stack) -> None:
    logging = stack.properties("Ingest")["LoggingConfiguration"]
    assert logging["Level"] == "ALL"
    assert logging["IncludeExecutionData"] is True
    [destination] = logging["Destinations"]
    arn = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
    assert arn == stack.arn("IngestLogGroup")
    assert arn.endswith(":*")  # Step Functions refuses the ARN without it


def test_executions_are_traced(stack: Stack) -> None:
    assert stack.properties("Ingest")["TracingConfiguration"] == {"Enabled": True}


def test_the_log_group_has_the_prefix_that_keeps_the_resource_policy_small(stack: Stack) -> None:
    assert stack.ref("IngestLogGroup").startswith("/aws/vendedlogs/")


# ---------------------------------------------------------------- Endings that nothing catches


def ending(status: str, machine: str = MACHINE, **detail: Any) -> dict[str, Any]:
    """An event as Step Functions sends it."""
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "time": "2026-02-26T19:42:21Z",
        "region": REGION,
        "resources": [f"arn:aws:states:{REGION}:{ACCOUNT}:execution:Ingest:tickets-csv-0a1b"],
        "detail": {
            "executionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:Ingest:tickets-csv-0a1b",
            "stateMachineArn": machine,
            "name": "tickets-csv-0a1b",
            "status": status,
            "startDate": 1772134941000,
            "stopDate": None if status == "RUNNING" else 1772134943000,
            "input": '{"bucket": "uploads", "key": "tickets.csv"}',
            "output": None,
            **detail,
        },
    }


def matches(stack: Stack, event: Any) -> bool:
    pattern = stack.properties("UncaughtEndingsRule")["EventPattern"]
    return EventPattern(json.dumps(pattern), pattern).matches_event(event)


@pytest.mark.parametrize(
    "event",
    [
        ending("TIMED_OUT"),
        ending("ABORTED"),
        ending("FAILED", error="LoadFailureNotReported", cause="The file is empty."),
        ending("FAILED", error="States.Runtime", cause="The JSONPath '$.file' could not be found"),
        ending("FAILED", error="States.DataLimitExceeded", cause="…"),
    ],
    ids=lambda event: f"{event['detail']['status']}-{event['detail'].get('error', '')}",
)
def test_the_rule_reports_an_ending_that_the_graph_did_not(
    stack: Stack, event: dict[str, Any]
) -> None:
    assert matches(stack, event)


@pytest.mark.parametrize(
    "event",
    [
        ending("FAILED", error="LoadFailed", cause="The file is empty."),
        ending("SUCCEEDED"),
        ending("RUNNING"),
        ending("PENDING_REDRIVE"),
    ],
    ids=lambda event: f"{event['detail']['status']}-{event['detail'].get('error', '')}",
)
def test_the_rule_is_silent_about_everything_else(stack: Stack, event: dict[str, Any]) -> None:
    assert not matches(stack, event)


@pytest.mark.parametrize("other", [f"{MACHINE}2", f"{MACHINE}/WriteChunks"])
def test_the_rule_is_silent_about_other_state_machines_and_about_children(
    stack: Stack, other: str
) -> None:
    assert not matches(stack, ending("TIMED_OUT", machine=other))
    assert not matches(stack, ending("FAILED", machine=other, error="NoProgress"))


def test_the_rule_is_silent_about_other_services_and_other_events(stack: Stack) -> None:
    assert not matches(stack, ending("ABORTED") | {"source": "aws.batch"})
    assert not matches(stack, ending("ABORTED") | {"detail-type": "Batch Job State Change"})


def test_the_rule_leaves_out_exactly_the_error_of_load_failed(stack: Stack) -> None:
    errors = {
        name: state["Error"]
        for name, state in loaded(stack)["States"].items()
        if state["Type"] == "Fail"
    }
    reported = {
        name for name, error in errors.items() if matches(stack, ending("FAILED", error=error))
    }
    assert errors.keys() - reported == {"Load Failed"}


def test_the_rule_is_on_and_delivers_to_the_failed_executions_queue(stack: Stack) -> None:
    rule = stack.properties("UncaughtEndingsRule")
    assert rule.get("State", "ENABLED") == "ENABLED"
    assert rule.get("EventBusName", "default") == "default"
    assert [target["Arn"] for target in rule["Targets"]] == [stack.arn("FailedExecutionsQueue")]
    assert rule["Targets"][0].keys() == {"Id", "Arn"}  # the event as it is, nothing rewritten


def test_the_failed_executions_queue_admits_exactly_this_rule(stack: Stack) -> None:
    assert_admits_only(stack, "FailedExecutionsQueue", "UncaughtEndingsRule")
