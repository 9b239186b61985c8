"""Step Functions for the command's tests: a boto3 client whose calls this module answers.

botocore still validates and builds the requests. The answers have the shapes of AWS's.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from ingestion.contracts import EqualKeysResult
from tests.support.state_machine import Execution, run

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:Ingest"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")
CALLER = "arn:aws:sts::123456789012:user/moto"
"""Who runs the command, as moto says it."""
STARTED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
COUNTS = {
    "pending": 0,
    "running": 0,
    "succeeded": 2,
    "failed": 0,
    "timedOut": 0,
    "aborted": 0,
    "total": 2,
    "resultsWritten": 2,
}
RESULT = {
    "complete": True,
    "summary": "100 rows read: 97 written, 1 superseded, 2 refused.",
    "rows_read": 100,
    "rows_written": 97,
    "rows_superseded": 1,
    "rows_combined": 0,
    "rows_refused": 2,
    "chunks": 2,
    "chunks_finished": 2,
    "refused_rows": "s3://work/refused-rows/a/refused-rows.csv",
    "report": "s3://work/reports/a.json",
    "errors": [],
}


class StepFunctions:
    """Stores executions by name, and has the boto3 `client` that returns them."""

    def __init__(self) -> None:
        self.described: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.map_counts: dict[str, dict[str, int]] = {}
        self.started: list[dict[str, Any]] = []
        self.lists: list[dict[str, Any]] = []
        """The requests of ListExecutions."""
        self.page_size = 1000
        self.client = _session().client("stepfunctions")
        self.client.meta.events.register("before-call.stepfunctions", self._answer)

    def forget(self) -> None:
        """Forgets all executions that were added or started."""
        for kept in (self.described, self.events, self.map_counts, self.started, self.lists):
            kept.clear()
        self.page_size = 1000

    def add(
        self,
        name: str,
        status: str = "SUCCEEDED",
        visits: Sequence[tuple[str, str, Any]] = (),
        ago: timedelta | None = None,
        **described: Any,
    ) -> None:
        """Adds an execution that took one minute. `visits` are the states that it visited, as
        (type, name, output). `ago` is the time since its start."""
        start = datetime.now(UTC) - ago if ago is not None else STARTED
        self.described[name] = {
            "executionArn": f"{EXECUTION}:{name}",
            "stateMachineArn": MACHINE,
            "name": name,
            "status": status,
            "startDate": start,
            "input": '{"bucket": "b", "key": "a.csv"}',
            **({} if status == "RUNNING" else {"stopDate": start + timedelta(minutes=1)}),
            **described,
        }
        self.set_events(name, untimed_history(visits, status))

    def set_events(self, name: str, events: Sequence[dict[str, Any]]) -> None:
        """Sets the history of an execution, with one event per second."""
        self.events[name] = timed(events)

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> Any:
        asked = json.loads(params["body"])
        name = asked.get("executionArn", "").rsplit(":", 1)[-1]
        match model.name:
            case "StartExecution":
                self.started.append(asked)
                self.add(asked["name"], "RUNNING")
                return _ok(executionArn=f"{EXECUTION}:{asked['name']}", startDate=STARTED)
            case "ListExecutions":
                self.lists.append(asked)
                found = [
                    execution
                    for execution in self.described.values()
                    if asked.get("statusFilter") in (None, execution["status"])
                ]
                found.sort(key=lambda execution: execution["startDate"], reverse=True)
                at = int(asked.get("nextToken", 0))
                until = at + min(self.page_size, asked.get("maxResults", 100))
                more = {"nextToken": str(until)} if until < len(found) else {}
                return _ok(executions=found[at:until], **more)
            case "DescribeMapRun":
                return _ok(itemCounts=self.map_counts[asked["mapRunArn"]])
            case _ if name not in self.described:
                return _refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{name}'")
            case "StopExecution" if self.described[name]["status"] != "RUNNING":
                return _refused("ValidationException", "The execution has ended.")
            case "StopExecution":
                self.described[name] |= {"status": "ABORTED", "stopDate": STARTED}
                return _ok(stopDate=STARTED)
            case "DescribeExecution":
                return _ok(**self.described[name])
            case "GetExecutionHistory":
                return _ok(events=self.events[name])
            case "ListMapRuns":
                runs = [name] if name in self.map_counts else []
                return _ok(mapRuns=[{"mapRunArn": run, "startDate": STARTED} for run in runs])
            case other:
                raise AssertionError(f"no answer is prepared for {other}")


def untimed_history(visits: Sequence[tuple[str, str, Any]], status: str) -> list[dict[str, Any]]:
    """The events of an execution that visited these states and has this status."""
    events = [{"type": "ExecutionStarted", "executionStartedEventDetails": {}}]
    for kind, state, output in visits:
        events.append(entered(kind, state))
        if kind != "Fail":
            events.append(exited(kind, state, output))
    return [*events, {"type": f"Execution{status.title().replace('_', '')}"}]


def timed(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events with their ids, one per second."""
    return [
        {"timestamp": STARTED + timedelta(seconds=at), "id": at + 1, **event}
        for at, event in enumerate(events)
    ]


def entered(kind: str, state: str) -> dict[str, Any]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": state}}


def exited(kind: str, state: str, output: Any = None) -> dict[str, Any]:
    details = {"name": state, "output": json.dumps(output)}
    return {"type": f"{kind}StateExited", "stateExitedEventDetails": details}


ACCEPTED: Any = {
    "verdict": "accepted",
    "summary": "The file is accepted.",
    "reasons": [],
    "load_id": "load-1",
    "file": {"bucket": "uploads", "key": "a.csv"},
    "plan": None,
}
ANSWERS: dict[str, dict[str, Any]] = {
    "validate_file": ACCEPTED,
    "split_file": {
        "bucket": "work",
        "key": "p",
        "chunks": 2,
        "data_end": 900,
        "unread": None,
        "generation": "g",
        "digest_key": "k",
        "refusal": None,
        "chunk": None,
    },
    "take_turn": {"turn": "mine", "waits_for": None, "seconds": None, "waited_since": None},
    "write_chunk": dict.fromkeys(
        ("next_byte", "rows_read", "rows_written", "rows_superseded", "rows_refused"), 0
    )
    | {"finished": True, "overtaken": False, "table_replaced": False},
    "settle_equal_keys": EqualKeysResult("settled").to_json(),
    "reconcile": {**RESULT, "overtaken": False, "throttles": 0, "equal_keys": "settled"},
}
"""The answers of the handlers in an execution in which nothing goes wrong, by handler."""

Visits = list[tuple[str, str, Any]]
"""States that an execution has visited, as (type, name, output)."""


def execution_visits(waits: int = 0, **changes: dict[str, Any]) -> Visits:
    """The states of an execution, interpreted from the definition.

    waits: how often the execution has to wait for its turn.
    changes: by state, such as `validate_file`, fields that replace those in ANSWERS.
    """
    left = iter(["wait"] * waits)

    def call(task: Execution) -> Any:
        state = task.state.lower().replace(" ", "_")
        answer = ANSWERS[task.handler] | changes.get(state, {})
        if task.handler == "take_turn" and next(left, ""):
            return answer | {"turn": "wait", "waits_for": "slot", "seconds": 5}
        return answer

    given = {"bucket": "uploads", "key": "a.csv"}
    execution = run(Execution(given, lambda bucket, key: b"[{}, {}]"), call)
    return [(visit.kind, visit.state, visit.output) for visit in execution.visits]


def loaded_visits() -> Visits:
    """The states of a load in which nothing goes wrong."""
    return execution_visits()


def small_file_visits(**written: Any) -> Visits:
    """The states of a small file of 10 rows. `written` replaces fields of the answer to Write Small
    File."""
    plan = ANSWERS["split_file"] | {"chunks": 1, "chunk": {"index": 0}}
    written = {"rows_read": 10, **written}
    return execution_visits(validate_file={"plan": plan}, write_small_file=written)


def turn_visits() -> Visits:
    """The states of a load that has got its turn and has not begun to write."""
    visits = execution_visits()
    return visits[: [state for _, state, _ in visits].index("Write Chunks")]


def already_loaded_visits() -> Visits:
    """The states of an execution that finds that load-1 has already loaded the same bytes."""
    return execution_visits(validate_file={"verdict": "already_loaded", "file": None})


def late_visits() -> Visits:
    """The states of a load that starts after a later version has taken over: it writes nothing."""
    return execution_visits(take_turn={"turn": "overtaken"})


def overtaken_visits() -> Visits:
    """The states of a load that was overtaken by a later version after one of its chunks."""
    stopped = {"complete": False, "overtaken": True, "chunks_finished": 1, "rows_read": 60}
    return execution_visits(reconcile={**stopped, "rows_written": 57})


def failed_visits(**result: Any) -> Visits:
    """The states of a load that Reconcile finds incomplete. `result` replaces fields of its
    answer."""
    return execution_visits(reconcile={"complete": False, **result})


def refused_visits() -> Visits:
    """The states of a file that was refused."""
    detail = "The header has no column store."
    reason = {"reason": "missing_column", "line": 1, "column": "store", "detail": detail}
    refused = {"verdict": "refused", "summary": detail, "reasons": [reason], "file": None}
    return execution_visits(validate_file=refused)


def refused_by_split_file_visits() -> Visits:
    """The states of a file that Split File refused."""
    detail = "The file unpacks to more than 30,000,000,000 bytes; split it into smaller files."
    refusal = {"reason": "gzip_too_large", "line": None, "column": None, "detail": detail}
    return execution_visits(split_file={"chunks": 0, "refusal": refusal})


def _ok(**answer: Any) -> tuple[AWSResponse, dict[str, Any]]:
    return AWSResponse("", 200, HTTPHeaders(), None), answer


def _refused(code: str, message: str) -> tuple[AWSResponse, dict[str, Any]]:
    return AWSResponse("", 400, HTTPHeaders(), None), {"Error": {"Code": code, "Message": message}}


@cache
def _session() -> boto3.Session:
    """Not the default session, which may return one client for all tests (see `cloud`)."""
    return boto3.Session("testing", "testing", region_name="eu-west-1")
