"""Runs the state machine's own definition one task at a time, so that a test can decide who comes
next and what becomes of each call. Of the language it knows what the definition uses.

Nothing is waited for and no retry is counted: whoever drives an execution says of a failed task
whether it is tried again or given up.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

Read = Callable[[str, str], bytes]


class Flow:
    """An execution, or a child of its Map. It stands before a Task or a Wait, or has ended.

    ``dead_letters`` are the messages that it has sent, ``events`` those to the event bus and
    ``announced`` their kinds, ``data`` is its state's. ``read`` gives an object of S3.
    """

    def __init__(self, machine: Mapping[str, Any], data: Any, context: Any, read: Read) -> None:
        self.status = "RUNNING"
        self.error = ""
        self.ended_in = ""
        self.dead_letters: list[Any] = []
        self.announced: list[str] = []
        self.events: list[Any] = []
        self.children: list[Flow] = []
        self._states = machine["States"]
        self._at = machine["StartAt"]
        self._data = data
        self._context = context
        self._read = read
        self._run_on()

    @property
    def due(self) -> "list[Flow]":
        """Those who can make a step now: the execution, or children of its Map."""
        if self.status != "RUNNING":
            return []
        return [one for one in self.children if one.status == "RUNNING"] or [self]

    @property
    def data(self) -> Any:
        return self._data

    @property
    def state(self) -> str:
        return str(self._at)

    @property
    def is_waiting(self) -> bool:
        return bool(self._states[self._at]["Type"] == "Wait")

    @property
    def handler(self) -> str:
        """The handler of the Task: a Task's name is that of its handler's file."""
        return str(self._at).lower().replace(" ", "_")

    @property
    def event(self) -> Any:
        return self._filled_in(self._states[self._at]["Parameters"]["Payload"])

    def succeed(self, answer: Any = None) -> None:
        """The Task has answered, or the Wait is over."""
        state = self._states[self._at]
        if state["Type"] == "Task":
            self._keep(state, self._filled_in(state["ResultSelector"], {"Payload": answer}))
        self._go(state["Next"])

    def give_up(self, error: str) -> None:
        """The Task has failed for good."""
        state = self._states[self._at]
        if "Catch" not in state:
            self._end("FAILED", error)
            return
        [catch] = state["Catch"]
        self._keep(catch, {"Error": error, "Cause": "{}"})
        self._go(catch["Next"])

    def resume(self) -> None:
        """A child has made a step; the Map is over when all have ended."""
        if self.children and all(child.status != "RUNNING" for child in self.children):
            self.children = []
            self._go(self._states[self._at]["Next"])

    # --- States in which nothing is waited for

    def _go(self, name: str) -> None:
        self._at = name
        self._run_on()

    def _run_on(self) -> None:
        while self.status == "RUNNING":
            state = self._states[self._at]
            kind = state["Type"]
            if kind == "Map":
                self.children = self._map(state)
                return
            if kind == "Wait" or (kind == "Task" and "Payload" in state["Parameters"]):
                return
            if kind in ("Succeed", "Fail"):
                self._end({"Succeed": "SUCCEEDED", "Fail": "FAILED"}[kind], state.get("Error", ""))
                return
            if kind == "Task":
                self._send(self._filled_in(state["Parameters"]))
            elif kind == "Pass":
                self._keep(state, self._filled_in(state["Parameters"]))
            self._at = self._choose(state) if kind == "Choice" else state["Next"]

    def _send(self, parameters: Mapping[str, Any]) -> None:
        if "MessageBody" in parameters:
            self.dead_letters.append(parameters["MessageBody"])
        else:
            self.events += parameters["Entries"]
            self.announced += [entry["DetailType"] for entry in parameters["Entries"]]

    def _end(self, status: str, error: str) -> None:
        self.status, self.error, self.ended_in = status, error, self._at

    def _map(self, state: Mapping[str, Any]) -> "list[Flow]":
        place = self._filled_in(state["ItemReader"]["Parameters"])
        children = []
        for item in json.loads(self._read(place["Bucket"], place["Key"])):
            context = {**self._context, "Map": {"Item": {"Value": item}}}
            data = self._filled_in(state["ItemSelector"], context=context)
            children.append(Flow(state["ItemProcessor"], data, self._context, self._read))
        return children

    def _choose(self, state: Mapping[str, Any]) -> str:
        for rule in state["Choices"]:
            value = self._value(rule["Variable"])
            is_met = {
                "StringEquals": lambda wanted, value=value: value == wanted,
                "BooleanEquals": lambda wanted, value=value: value is wanted,
                "NumericGreaterThan": lambda wanted, value=value: value > wanted,
            }
            [comparison] = rule.keys() - {"Variable", "Next"}
            if is_met[comparison](rule[comparison]):
                return str(rule["Next"])
        return str(state["Default"])

    # --- Data

    def _keep(self, state: Mapping[str, Any], result: Any) -> None:
        path = state.get("ResultPath", "$")
        if path is None:
            return
        if path == "$":
            self._data = result
            return
        *parents, last = path.removeprefix("$.").split(".")
        place = self._data
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = result

    def _filled_in(self, template: Any, data: Any = None, context: Any = None) -> Any:
        if isinstance(template, list):
            return [self._filled_in(value, data, context) for value in template]
        if not isinstance(template, dict):
            return template
        return {
            name.removesuffix(".$"): self._value(value, data, context)
            if name.endswith(".$")
            else self._filled_in(value, data, context)
            for name, value in template.items()
        }

    def _value(self, path: str, data: Any = None, context: Any = None) -> Any:
        if path.startswith("States.JsonToString("):
            return json.dumps(self._value(path[len("States.JsonToString(") : -1], data, context))
        value = self._data if data is None else data
        if path.startswith("$$"):
            path, value = path[1:], self._context if context is None else context
        for name in path.split(".")[1:]:
            value = value[name]  # one that is not there is an error, as on AWS
        return json.loads(json.dumps(value))
