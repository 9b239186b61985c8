"""Interprets the state machine's definition, `statemachine/ingest.asl.json`, one task at a time.

A test chooses the execution that makes the next step and the result of each call, or uses `run`.
Time is virtual: a Wait, or the pause before a retry, only adds to `Execution.paused`.

This covers the parts of the Amazon States Language (JSONPath) that the definition uses; anything
else raises NotInterpreted. A path that does not exist in the data raises MissingPath. AWS would end
the execution with States.Runtime, which no Catch handles.
"""

import copy
import functools
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.support.payload_templates import (
    Json,
    MissingPath,
    NotInterpreted,
    copied,
    filled_in,
    value_at,
)
from tools import definition

MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:Ingest"
EXECUTIONS = MACHINE_ARN.replace(":stateMachine:", ":execution:") + ":"
STARTED_AT = "2025-11-24T09:00:05.118Z"

Read = Callable[[str, str], bytes]
"""Returns the bytes of an S3 object, given its bucket and key."""

_FIELDS = {
    "": {"Type", "Comment", "Next", "End"},
    "Task": {"Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds"},
    "Map": {"Label", "ItemReader", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage"}
    | {"ItemProcessor", "ResultWriter", "ResultPath"},
    "Pass": {"Parameters", "ResultPath"},
    "Choice": {"Choices", "Default"},
    "Wait": {"Seconds", "SecondsPath"},
    "Succeed": set(),
    "Fail": {"Error", "Cause", "CausePath"},
}
_NOT_IN_ALL = {"States.Runtime", "States.DataLimitExceeded"}


class Failure(Exception):
    """Raised by a test's stand-in for a task, to fail the task with this error name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


class Visit(NamedTuple):
    """A state that an execution has left."""

    kind: str
    state: str
    input: Any
    """`$` before the state."""
    result: Any
    """A task's result before its ResultSelector."""
    error: str
    """The error name of a failed task or of a Fail."""
    output: Any
    """`$` after the state; None if the execution failed there."""
    target: str
    """The state that came next, if any."""


class Execution:
    """An execution, or a child of its Map. It waits at a Lambda task or a Wait, or has ended.

    `status` is Step Functions' status, `data` is `$`, and `error` and `cause` say why it failed.
    """

    def __init__(
        self,
        given: Any,
        read: Read,
        *,
        machine: Json | None = None,
        name: str = "by-hand",
        at: str = "",
        stops_at_services: bool = False,
        parent: "Execution | None" = None,
    ) -> None:
        """Starts an execution with the input `given`, and runs it to its first Lambda task or Wait.

        read: returns the bytes of an S3 object, for the ItemReader of the Map.
        machine: the definition; the project's if None.
        at: the state to begin at; StartAt if empty.
        stops_at_services: whether a test also answers for the service integrations. Otherwise each
        of them succeeds at once.
        """
        self.name = name
        self.status, self.error, self.cause = "RUNNING", "", ""
        self.paused = 0.0
        """The total seconds of all its Waits and of the pauses before its retries, without
        jitter."""
        self.visits: list[Visit] = []
        self.sent: list[tuple[str, Json]] = []
        """The calls of its service integrations: the service's name and the Parameters."""
        self.children: list[Execution] = []
        """The children of the Map that is running."""
        self.all_children: list[Execution] = []
        self.data = copied(given)
        machine = machine or _definition()
        self._states: Json = machine["States"]
        self.given = copied(given)
        self._read, self._parent = read, parent
        self._stops_at_services = stops_at_services
        self._tries: Counter[int] = Counter()
        self._input: Any = self.given
        self._result: Any = None
        self.state: str = at or machine["StartAt"]
        self._run_on()

    def fork(self) -> "Execution":
        """A copy, which may take another way. It shares what never changes."""
        unchanging = [
            part
            for one in (self, *self.all_children)
            for part in (one._states, one.given, one.data, one._input, *one.sent, *one.visits)
        ]
        return copy.deepcopy(self, {id(part): part for part in unchanging})

    @property
    def dead_letters(self) -> list[Json]:
        """The messages that it has sent to the dead-letter queue."""
        return [sent["MessageBody"] for service, sent in self.sent if service == "sqs"]

    @property
    def events(self) -> list[Json]:
        """The entries that it has put on the event bus."""
        puts = [sent["Entries"] for service, sent in self.sent if service == "events"]
        return [entry for entries in puts for entry in entries]

    # --- What is due

    @property
    def due(self) -> "list[Execution]":
        """What can make a step now: the execution itself, or the running children of its Map."""
        if self.status != "RUNNING":
            return []
        return [one for one in self.children if one.status == "RUNNING"] or [self]

    @property
    def ended_in(self) -> str:
        """The last state of an execution that has ended; empty while it runs."""
        return "" if self.status == "RUNNING" else self.state

    @property
    def is_waiting(self) -> bool:
        return bool(self._state["Type"] == "Wait")

    @property
    def described(self) -> Json:
        """Some fields of DescribeExecution's response."""
        arn, output = EXECUTIONS + self.name, json.dumps(self.data)
        return {"status": self.status, "output": output, "executionArn": arn, "cause": self.cause}

    @property
    def handler(self) -> str:
        """The handler of the task that is due."""
        return handler_of(self.state)

    @property
    def event(self) -> Any:
        """The event for the handler of the task that is due."""
        return self._filled_in(self._state["Parameters"]["Payload"])

    # --- Steps

    def succeed(self, answer: Any = None) -> None:
        """Ends the task with the handler's answer, or ends the Wait."""
        state = self._state
        if state["Type"] == "Wait":
            seconds = self._value(state["SecondsPath"]) if "SecondsPath" in state else None
            self.paused += state["Seconds"] if seconds is None else seconds
            self._leave(state["Next"])
        else:
            self._integrated(state, answer)
        self._run_on()

    def fail(self, error: str, cause: str = "") -> bool:
        """Fails the task. Returns whether a Retry makes it due again, after a pause."""
        is_retried = self._fail(error, cause)
        self._run_on()
        return is_retried

    def give_up(self, error: str, cause: str = "") -> None:
        """Fails the task and all its retries."""
        self._caught(error, cause)
        self._run_on()

    # --- Running from one task or Wait to the next

    @property
    def _state(self) -> Json:
        state: Json = self._states[self.state]
        if state["Type"] not in _FIELDS:
            raise NotInterpreted(f"{self.state} is a {state['Type']}.")
        known = _FIELDS[""] | _FIELDS[state["Type"]]
        if state["Type"] in ("Task", "Map"):
            known |= {"Retry", "Catch"}
        if unknown := state.keys() - known:
            raise NotInterpreted(f"{self.state} uses {', '.join(sorted(unknown))}.")
        return state

    def _run_on(self) -> None:
        while self.status == "RUNNING" and not self.children:
            state = self._state
            match state["Type"]:
                case "Wait":
                    return
                case "Task" if self._stops_at_services or _is_lambda(state):
                    return
                case "Task":
                    self._integrated(state, {})
                case "Map":
                    self._start_children(state)
                case "Pass":
                    self._keep(state.get("ResultPath", "$"), self._filled_in(state["Parameters"]))
                    self._leave(state["Next"])
                case "Choice":
                    self._leave(self._choose(state))
                case "Succeed":
                    self._end("SUCCEEDED")
                case "Fail":
                    cause = state.get("Cause", "")
                    self.cause = self._value(state["CausePath"]) if "CausePath" in state else cause
                    self._end("FAILED", state["Error"])

    def _integrated(self, state: Json, answer: Any) -> None:
        """Ends a task with the answer of its handler or of another service."""
        parameters = self._filled_in(state["Parameters"])
        if _is_lambda(state):
            answer = {"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200}
        else:
            self.sent.append((state["Resource"].split(":")[-2], parameters))
        self._succeed(answer)

    def _start_children(self, state: Json) -> None:
        place = self._filled_in(state["ItemReader"]["Parameters"])
        try:
            items = json.loads(self._read(place["Bucket"], place["Key"]))
        except Exception as error:
            self._fail("States.ItemReaderFailed", str(error))
            return
        if not items:
            self._fail("States.ItemReaderFailed", "There is no item.")
            return
        for index, item in enumerate(items):
            context = self._context | {"Map": {"Item": {"Index": index, "Value": item}}}
            child = type(self)(
                self._filled_in(state["ItemSelector"], self.data, context),
                self._read,
                machine=state["ItemProcessor"],
                name=f"{self.name}-{state['Label']}-{index}",
                stops_at_services=self._stops_at_services,
                parent=self,
            )
            self.children.append(child)
        self.all_children += self.children

    def _child_ended(self) -> None:
        if any(child.status == "RUNNING" for child in self.children):
            return
        failed = sum(child.status == "FAILED" for child in self.children)
        share = 100 * failed / len(self.children)
        self.children = []
        if share > self._state.get("ToleratedFailurePercentage", 0):
            self._fail("States.ExceedToleratedFailureThreshold", "")
        else:
            self._succeed([])
        self._run_on()

    def _choose(self, state: Json) -> str:
        for rule in state["Choices"]:
            if self._is_met(rule):
                return str(rule["Next"])
        return str(state["Default"])

    def _is_met(self, rule: Json) -> bool:
        if "Not" in rule:
            return not self._is_met(rule["Not"])
        for word, combine in (("And", all), ("Or", any)):
            if word in rule:
                return combine(self._is_met(one) for one in rule[word])
        [comparison] = rule.keys() - {"Variable", "Next"}
        wanted = rule[comparison]
        try:
            value = self._value(rule["Variable"])
        except MissingPath:
            if comparison != "IsPresent":
                raise
            return wanted is False
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        match comparison:
            case "IsPresent":
                return wanted is True
            case "IsNull":
                return (value is None) is wanted
            case "StringEquals":
                return bool(isinstance(value, str) and value == wanted)
            case "BooleanEquals":
                return value is wanted
            case "NumericEquals":
                return bool(is_number and value == wanted)
            case "NumericGreaterThan":
                return bool(is_number and value > wanted)
            case "NumericLessThan":
                return bool(is_number and value < wanted)
        raise NotInterpreted(f"{self.state} uses {comparison}.")

    # --- Leaving a state

    def _succeed(self, result: Any) -> None:
        state, self._result = self._state, result
        if "ResultSelector" in state:
            result = self._filled_in(state["ResultSelector"], result)
        self._keep(state.get("ResultPath", "$"), result)
        self._leave(state["Next"])

    def _fail(self, error: str, cause: str) -> bool:
        for number, retrier in enumerate(self._state.get("Retry", [])):
            if _matches(retrier["ErrorEquals"], error):
                tries = self._tries[number]
                if tries == retrier.get("MaxAttempts", 3):
                    break
                self._tries[number] += 1
                pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** tries
                self.paused += min(pause, retrier.get("MaxDelaySeconds", pause))
                return True
        self._caught(error, cause)
        return False

    def _caught(self, error: str, cause: str) -> None:
        for catcher in self._state.get("Catch", []):
            if _matches(catcher["ErrorEquals"], error):
                self._keep(catcher.get("ResultPath", "$"), {"Error": error, "Cause": cause})
                self._leave(catcher["Next"], error)
                return
        self.cause = cause
        self._end("FAILED", error)

    def _leave(self, target: str, error: str = "") -> None:
        self._visited(self.data, target, error)
        self._tries.clear()
        self.state = target

    def _end(self, status: str, error: str = "") -> None:
        self._visited(self.data if status == "SUCCEEDED" else None, "", error)
        self.status, self.error = status, error
        if self._parent:
            self._parent._child_ended()

    def _visited(self, output: Any, target: str, error: str) -> None:
        kind, output = self._state["Type"], copied(output)
        result, self._result = self._result, None
        self.visits.append(Visit(kind, self.state, self._input, result, error, output, target))
        self._input = output

    # --- Data

    @property
    def _context(self) -> Json:
        started = datetime.fromisoformat(STARTED_AT)
        entered = (started + timedelta(seconds=self.paused)).isoformat(timespec="milliseconds")
        return {
            "Execution": {
                "Id": EXECUTIONS + self.name,
                "Name": self.name,
                "Input": self.given,
                "StartTime": STARTED_AT,
            },
            "State": {
                "Name": self.state,
                "EnteredTime": entered.replace("+00:00", "Z"),
                "RetryCount": sum(self._tries.values()),
            },
            "StateMachine": {"Id": MACHINE_ARN, "Name": "Ingest"},
        }

    def _keep(self, path: str | None, result: Any) -> None:
        if path is None:
            return
        if path == "$":
            self.data = copied(result)
            return
        *parents, last = path.removeprefix("$.").split(".")
        place = self.data = dict(self.data)  # a fork may share the other one
        for name in parents:
            place[name] = place = dict(place.get(name, {}))
        place[last] = copied(result)

    def _filled_in(self, template: Any, data: Any = None, context: Json | None = None) -> Any:
        data = self.data if data is None else data
        return filled_in(template, data, self._context if context is None else context)

    def _value(self, path: str) -> Any:
        return value_at(path, self.data, self._context)


def run(
    execution: Execution, call: Callable[[Execution], Any], max_steps: int = 10_000
) -> Execution:
    """Runs an execution to its end, one child of its Map after another.

    call: called with the execution or the child whose task is due; returns the handler's answer.
        If it raises an exception, the task fails with the error that Lambda would report. An
        AssertionError is raised to the caller of `run`.
    """
    for _ in range(max_steps):
        if not execution.due:
            return execution
        task = execution.due[0]
        if task.is_waiting:
            task.succeed()
            continue
        try:
            answer = call(task)
        except AssertionError:
            raise
        except Failure as failure:
            task.fail(failure.error, failure.cause)
        except Exception as error:
            task.fail(type(error).__name__, lambda_cause(error))
        else:
            task.succeed(answer)
    raise AssertionError(f"{execution.state} has not ended after {max_steps} steps")


def _is_lambda(state: Json) -> bool:
    return bool(state["Resource"].endswith(":states:::lambda:invoke"))


def lambda_cause(error: Exception) -> str:
    """The Cause of a Lambda task that failed with an exception."""
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})


def handler_of(state: str) -> str:
    """`Validate File` -> `validate_file`: a task's name is that of its handler's file, except
    for the task that writes a small file as one chunk."""
    return {"Write Small File": "write_chunk"}.get(state, state.lower().replace(" ", "_"))


def payload_of(handler: str, data: Json, item: Json | None = None, name: str = "by-hand") -> Json:
    """The event that the definition gives a handler.

    data: `$` before the handler's state, or before the Map that contains the state.
    item: for a state in the Map, an item of the plan.
    """
    context: Json = {
        "Execution": {"Id": EXECUTIONS + name, "Name": name, "Input": data, "StartTime": STARTED_AT}
    }
    for outer, state in _definition()["States"].items():
        if handler_of(outer) == handler and state["Type"] == "Task" and item is None:
            payload: Json = filled_in(state["Parameters"]["Payload"], data, context)
            return payload
        if item is not None and state["Type"] == "Map":
            context["Map"] = {"Item": {"Value": item}}
            for inner, task in state["ItemProcessor"]["States"].items():
                if handler_of(inner) == handler:
                    given = filled_in(state["ItemSelector"], data, context)
                    payload = filled_in(task["Parameters"]["Payload"], given, context)
                    return payload
    raise KeyError(f"no state of the definition calls {handler}")


def _matches(names: list[str], error: str) -> bool:
    return (
        error in names
        or ("States.ALL" in names and error not in _NOT_IN_ALL)
        or ("States.TaskFailed" in names and error not in {"States.Timeout", *_NOT_IN_ALL})
    )


@functools.cache
def _definition() -> Json:
    return definition.load()
