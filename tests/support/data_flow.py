"""Proves that no path of a state machine's definition can miss.

On AWS a JSONPath that is not there ends the execution with States.Runtime, which no Catch catches;
the embedded engine yields null instead and shows nothing. So `unproven` walks the definition: it
carries what is known of `$` along every arrow, keeps at a state only what each way to it has
written, and names every path that a state uses beyond that.

What is known of a document is a `Shape`: its fields, each with its own shape. A field with an empty
shape is there, but nothing is known of what is inside it. For example `{"plan": {"key": {}}}`.

This covers JSONPath states. Whatever it does not know (Parallel, variables, filters in paths)
raises NotWalkable, so that it can't pass unseen.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Shape = dict[str, Any]
"""Field -> shape of what is in it; recursive."""

CONTEXT: Shape = {
    "Execution": {"Id": {}, "Name": {}, "StartTime": {}, "Input": {}, "RoleArn": {}},
    "State": {"Name": {}, "EnteredTime": {}, "RetryCount": {}},
    "StateMachine": {"Id": {}, "Name": {}},
}
"""What `$$` holds in every state; `$$.Map.Item` is known in a Map's ItemSelector only."""

CAUGHT: Shape = {"Error": {}, "Cause": {}}
"""What a Catch puts at its ResultPath."""

PATH = re.compile(r"\$\$?(\.[A-Za-z_][A-Za-z0-9_]*)*")
PATHS_IN_INTRINSIC = re.compile(r"\$[^\s,()']*")
TEXTS_IN_INTRINSIC = re.compile(r"'(?:[^'\\]|\\.)*'")


class NotWalkable(Exception):
    """The definition uses something that this walk does not know."""


@dataclass(frozen=True, order=True)
class Unproven:
    """A path that may not be there when its state uses it."""

    state: str
    field: str
    """Where in the state it stands, like `Parameters` or `Choices`."""
    path: str


def unproven(
    machine: Mapping[str, Any],
    start: Shape,
    results: Mapping[str, Shape],
    items: Mapping[str, Shape] | None = None,
) -> list[Unproven]:
    """All paths of the definition that not every way to their state has written.

    start: what is known of the execution's input.
    results: for a state's name, what is known of its task's result, before ResultSelector.
    items: for a Map's name, what is known of one of its items.
    """
    arrivals = _arrivals(machine, start, results)
    found: set[Unproven] = set()
    for name, document in arrivals.items():
        state = machine["States"][name]
        walk = _State(name, state, document, results.get(name, {}))
        for _ in walk.departures():  # going through them checks what is used on the way
            pass
        if state["Type"] == "Map":
            found |= set(_in_map(walk, results, items or {}))
        found |= walk.unproven
    return sorted(found)


def _arrivals(
    machine: Mapping[str, Any], start: Shape, results: Mapping[str, Shape]
) -> dict[str, Shape]:
    """What each reachable state can rely on: the fields that all ways to it have in common."""
    arrivals = {machine["StartAt"]: start}
    waiting = [machine["StartAt"]]
    while waiting:  # fields only ever vanish, so this ends
        name = waiting.pop()
        state = machine["States"][name]
        walk = _State(name, state, arrivals[name], results.get(name, {}))
        for target, document in walk.departures():
            known = arrivals.get(target)
            merged = document if known is None else common(known, document)
            if merged != known:
                arrivals[target] = merged
                waiting.append(target)
    return arrivals


def _in_map(
    outer: "_State", results: Mapping[str, Shape], items: Mapping[str, Shape]
) -> list[Unproven]:
    """The same walk inside a Map: its states see one item, and nothing of `$` outside."""
    item = items.get(outer.name, {})
    selector = outer.state.get("ItemSelector")
    if selector is not None:
        context = CONTEXT | {"Map": {"Item": {"Index": {}, "Value": item}}}
        item = outer.payload("ItemSelector", selector, outer.input(), context)
    return unproven(outer.state["ItemProcessor"], item, results, items)


def common(one: Shape, other: Shape) -> Shape:
    """The fields that both have."""
    return {name: common(one[name], other[name]) for name in one.keys() & other.keys()}


class _State:
    """One state, looked at with what is known of its input. Collects `unproven` on the way."""

    def __init__(self, name: str, state: Mapping[str, Any], document: Shape, result: Shape) -> None:
        self.name = name
        self.state = state
        self.unproven: set[Unproven] = set()
        self._document = document
        self._result = result
        if state.get("QueryLanguage", "JSONPath") != "JSONPath" or "Assign" in state:
            raise NotWalkable(f"{name} uses JSONata or variables.")

    def input(self) -> Shape:
        """What the state works on: its input after InputPath."""
        return self._effective("InputPath", self._document)

    def departures(self) -> Iterator[tuple[str, Shape]]:
        """Every arrow from the state, with what is known of `$` at its end."""
        state, kind = self.state, self.state["Type"]
        effective = self.input()
        self._plain_paths(state, effective)
        if kind == "Choice":
            for rule in state["Choices"]:
                self._rule(rule, effective)
            output = self._effective("OutputPath", effective)
            for target in [rule["Next"] for rule in state["Choices"]] + [state.get("Default")]:
                if target:
                    yield target, output
            return
        if kind not in {"Task", "Map", "Pass", "Wait", "Succeed", "Fail"}:
            raise NotWalkable(f"{self.name} is a {kind}.")
        for catcher in state.get("Catch", []):
            yield catcher["Next"], self._placed(catcher.get("ResultPath", "$"), CAUGHT)
        output = self._effective("OutputPath", self._own_result(kind, effective))
        if "Next" in state:
            yield state["Next"], output

    def payload(
        self, field: str, template: Any, document: Shape, context: Shape = CONTEXT
    ) -> Shape:
        """Check a payload template (Parameters, ResultSelector ...) and give its result's shape."""
        if isinstance(template, list):
            for one in template:
                self.payload(field, one, document, context)
            return {}
        if not isinstance(template, dict):
            return {}
        made: Shape = {}
        for key, value in template.items():
            if key.endswith(".$"):
                made[key.removesuffix(".$")] = self._expression(field, value, document, context)
            else:
                made[key] = self.payload(field, value, document, context)
        return made

    def _own_result(self, kind: str, effective: Shape) -> Shape:
        """`$` after the state has done its work."""
        state = self.state
        if kind in {"Wait", "Succeed", "Fail"}:
            return effective
        for field in ("ItemReader", "ResultWriter", "ItemBatcher"):
            self.payload(field, state.get(field, {}), effective)
        result = effective if kind == "Pass" else self._result
        if "Parameters" in state:
            made = self.payload("Parameters", state["Parameters"], effective)
            result = made if kind == "Pass" else result
        if kind == "Pass" and "Result" in state:
            result = _literal(state["Result"])
        if "ResultSelector" in state:
            result = self.payload("ResultSelector", state["ResultSelector"], result)
        return self._placed(state.get("ResultPath", "$"), result)

    def _placed(self, result_path: str | None, result: Shape) -> Shape:
        """The state's input with a result put at the path: beside what is there, or, for `$`, in
        its place."""
        if result_path is None:
            return self._document
        if result_path == "$":
            return result
        document = copy.deepcopy(self._document)
        *parents, last = self._steps(result_path)
        inner = document
        for step in parents:
            inner = inner.setdefault(step, {})
        inner[last] = result
        return document

    def _effective(self, field: str, document: Shape) -> Shape:
        """What InputPath or OutputPath lets through."""
        path = self.state.get(field, "$")
        return {} if path is None else self._expression(field, path, document)

    def _plain_paths(self, state: Mapping[str, Any], effective: Shape) -> None:
        """TimeoutSecondsPath, SecondsPath, ItemsPath, CausePath and the like."""
        for field, value in state.items():
            if field.endswith("Path") and field not in {"InputPath", "OutputPath", "ResultPath"}:
                self._expression(field, value, effective)

    def _rule(self, rule: Mapping[str, Any], effective: Shape) -> None:
        for inner in [*rule.get("And", []), *rule.get("Or", [])]:
            self._rule(inner, effective)
        if "Not" in rule:
            self._rule(rule["Not"], effective)
        for field, value in rule.items():
            # IsPresent is the one question that may be asked of a path that is not there.
            if (field == "Variable" and "IsPresent" not in rule) or field.endswith("Path"):
                self._expression("Choices", value, effective)

    def _expression(
        self, field: str, text: str, document: Shape, context: Shape = CONTEXT
    ) -> Shape:
        """Check a path, or all paths in an intrinsic function, and give the shape of its value."""
        if not text.startswith("States."):
            return self._path(field, text, document, context)
        for path in PATHS_IN_INTRINSIC.findall(TEXTS_IN_INTRINSIC.sub("", text)):
            self._path(field, path, document, context)
        return {}

    def _path(self, field: str, path: str, document: Shape, context: Shape) -> Shape:
        shape = context if path.startswith("$$") else document
        for step in self._steps(path):
            if step not in shape:
                self.unproven.add(Unproven(self.name, field, path))
                return {}
            shape = shape[step]
        return shape

    def _steps(self, path: str) -> list[str]:
        if not PATH.fullmatch(path):
            raise NotWalkable(f"{self.name} uses the path {path}.")
        return path.split(".")[1:]


def _literal(value: Any) -> Shape:
    if not isinstance(value, dict):
        return {}
    return {name: _literal(inner) for name, inner in value.items()}
