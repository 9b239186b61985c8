"""`tickets verify` on the whole stack: it passes on the project's own code, leaves nothing behind
but the audit trail, and finds planted faults."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.command_line import tickets
from tests.support.running_stack import RunningStack
from tickets.verify.checks import Check
from tickets.verify.cleanup import Removed
from tickets.verify.plan import make_plan
from tickets.verify.verification import verify

FIRST, CHUNKED, PACKED = "Good rows and bad rows", "Equal keys in two chunks", "A gzip file"
LATER = ["A second version", "The same bytes again", "A replay of a loaded file"]
FAILURES = ["A bad file", "A stopped load"]
# Transitions of a child execution, of which the engine's histories have only the start.
OF_A_CHUNK = 4


@pytest.fixture(autouse=True)
def nothing_waits(stack: RunningStack, command_finds_stack: None) -> Iterator[None]:
    """Both dead-letter queues are empty before and after."""
    yield
    queues = (stack.names.failed_executions_queue_url, stack.names.upload_dead_letter_queue_url)
    assert [stack.receive(url) for url in queues] == [[], []]


def verified(*arguments: str, exit_code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Runs the command. Returns its JSON lines by their kind."""
    result = tickets("verify", "--json", "--timeout", "60", *arguments)
    assert result.exit_code == exit_code, result.output
    found: dict[str, list[dict[str, Any]]] = {}
    for line in map(json.loads, result.stdout.splitlines()):
        found.setdefault(line.pop("kind"), []).append(line)
    assert [len(found[kind]) for kind in ("plan", "removed", "verdict")] == [1, 1, 1]
    return found


def statuses(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in found["check"]}


def problems(found: dict[str, list[dict[str, Any]]], name: str) -> list[str]:
    [check] = [one for one in found["check"] if one["name"] == name]
    assert check["status"] == "failed"
    assert check["next_step"]
    return list(check["problems"])


def assert_nothing_left(stack: RunningStack, run: str) -> None:
    assert stack.items_of(run) == {}
    versions = stack.s3.list_object_versions(Bucket=stack.names.upload_bucket, Prefix=f"{run}/")
    assert versions.get("Versions", []) + versions.get("DeleteMarkers", []) == []


def executions_of(stack: RunningStack, run: str) -> list[str]:
    listed = stack.states.list_executions(stateMachineArn=stack.names.state_machine_arn)
    return [one["executionArn"] for one in listed["executions"] if one["name"].startswith(run)]


def transitions(stack: RunningStack, arn: str) -> int:
    return len(stack.states_entered(arn)) + OF_A_CHUNK * len(stack.children(arn))


@pytest.mark.exhaustive
def test_a_sound_deployment_is_verified_at_the_estimated_cost(stack: RunningStack) -> None:
    found = verified()
    assert statuses(found) == dict.fromkeys([FIRST, CHUNKED, PACKED, *LATER], "passed")
    [plan], [removed], [verdict] = found["plan"], found["removed"], found["verdict"]
    assert verdict["verified"]
    assert plan["alarms"] == []
    assert (removed["executions"], removed["object_versions"]) == (5, 5)
    assert_nothing_left(stack, plan["run"])

    arns = executions_of(stack, plan["run"])
    # A load may have to wait for a lease, which the estimate leaves out.
    counted = sum(transitions(stack, arn) for arn in arns)
    assert plan["transitions"] <= counted <= 1.2 * plan["transitions"]
    # The audit trail stays.
    for arn in arns:
        load_id = json.loads(stack.describe(arn)["output"])["load_id"]
        entry = stack.ledger(load_id)["load"]
        assert entry["status"] == "SUCCEEDED"
        assert json.loads(stack.read_url(entry["report"]))["complete"] is True


@pytest.mark.exhaustive
def test_failures_are_checked_if_wanted(stack: RunningStack) -> None:
    found = verified("--failures")
    assert statuses(found) == dict.fromkeys([FIRST, CHUNKED, PACKED, *LATER, *FAILURES], "passed")
    [plan] = found["plan"]
    assert plan["alarms"] == ["LoadsFailed", "LoadsAborted"]
    assert_nothing_left(stack, plan["run"])
    ended = [stack.describe(arn)["status"] for arn in executions_of(stack, plan["run"])]
    assert sorted(ended) == ["ABORTED", "FAILED", *["SUCCEEDED"] * 6]


@pytest.mark.exhaustive
def test_a_missing_permission_is_found(stack: RunningStack) -> None:
    with stack.without_statement("WriteChunk", "KeepRefusedRows"):
        found = verified(exit_code=1)
    # Its superseded rows are in another chunk, so Settle Equal Keys lists them.
    assert statuses(found)[CHUNKED] == "passed"
    assert [statuses(found)[name] for name in LATER] == ["skipped"] * 3
    failure, error = problems(found, FIRST)
    assert "Write Small File failed with" in failure
    assert "is not authorized to perform: s3:PutObject" in error
    [removed] = found["removed"]
    assert removed["dead_letters"] == 1
    assert_nothing_left(stack, found["plan"][0]["run"])


@pytest.mark.exhaustive
def test_a_writer_that_drops_rows_is_found(stack: RunningStack) -> None:
    """It drops the first row of each batch of 25, and counts it as written."""
    path = "ingestion/dynamodb/requests.py"
    with stack.code_changed("WriteChunk", path, "join(requests)", "join(requests[1:])"):
        found = verified(exit_code=1)
    run = found["plan"][0]["run"]
    assert problems(found, FIRST) == [
        f"items: 4 of 96 items are missing from the table; the first is {run}-a-0000, line 2"
    ]
    assert problems(found, PACKED) == [
        f"items: 2 of 40 items are missing from the table; the first is {run}-z-0000, line 2"
    ]
    assert_nothing_left(stack, run)


@pytest.mark.exhaustive
def test_a_report_that_lies_is_found(stack: RunningStack) -> None:
    """It hides the refused rows. Execution and ledger tell the truth."""
    path, facts = "ingestion/tasks/reconcile.py", "            **facts,\n        }"
    lie = facts.replace("\n", ' "rows_refused": 0,\n')
    with stack.code_changed("Reconcile", path, facts, lie):
        found = verified(exit_code=1)
    assert problems(found, FIRST) == ["report: rows_refused is 0, expected 4"]
    assert statuses(found)[PACKED] == "passed"  # it has no refused rows to hide
    assert_nothing_left(stack, found["plan"][0]["run"])


@pytest.mark.exhaustive
def test_an_interrupted_run_is_cleaned_up(stack: RunningStack) -> None:
    """Interrupted after the first check, while the other files are being loaded."""
    plan = make_plan(stack.names, failures=False)
    removed: list[Removed] = []

    def interrupt(check: Check) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(stack.names, plan, 60, interrupt, lambda step: None, removed.append)
    assert (removed[0].executions, removed[0].object_versions) == (3, 3)
    assert (removed[0].stopped, removed[0].problems) == ([], [])
    assert_nothing_left(stack, plan.run)
