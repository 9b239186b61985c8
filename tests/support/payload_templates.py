"""Fills in payload templates and paths of the Amazon States Language: what the definition uses."""

import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


class NotInterpreted(Exception):
    """The definition uses something that this interpreter does not support."""


class MissingPath(Exception):
    """A state uses a path that is not in its data."""


def filled_in(template: Any, data: Any, context: Json) -> Any:
    """Replaces the paths in a payload template with their values."""
    if isinstance(template, list):
        return [filled_in(one, data, context) for one in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): value_at(value, data, context)
        if name.endswith(".$")
        else filled_in(value, data, context)
        for name, value in template.items()
    }


def value_at(path: str, data: Any, context: Json) -> Any:
    if path.startswith("States.JsonToString(") and path.endswith(")"):
        argument = value_at(path[len("States.JsonToString(") : -1], data, context)
        return json.dumps(argument, separators=(",", ":"))
    if path.startswith("States.Array(") and path.endswith(")"):
        return [value_at(path[len("States.Array(") : -1], data, context)]
    value = data
    names = path.split(".")
    if names[0] == "$$":
        value = context
    elif names[0] != "$" or not all(name.isidentifier() for name in names[1:]):
        raise NotInterpreted(f"the path {path}")
    for name in names[1:]:
        if not isinstance(value, Mapping) or name not in value:
            raise MissingPath(path)
        value = value[name]
    return copied(value)


def copied(value: Any) -> Any:
    """Copies a value by way of JSON, as Step Functions does between states."""
    return json.loads(json.dumps(value))
