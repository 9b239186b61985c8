"""Evaluates the intrinsic functions of CloudFormation that the template uses."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

LEFT_OUT = object()
"""The value of AWS::NoValue. Whatever has it is left out."""


class Intrinsics(ABC):
    """A template whose references have values. `source` is the parsed template, in which short
    forms such as `!Ref` are in their long form.

    Evaluating a function that this class doesn't support raises KeyError.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = source

    @abstractmethod
    def reference(self, name: str) -> Any:
        """The value of Ref for a parameter, a pseudo parameter or a resource."""

    @abstractmethod
    def attribute(self, name: str, attribute: str) -> str:
        """The value of Fn::GetAtt."""

    def condition(self, name: str) -> bool:
        return bool(self.resolve(self._source["Conditions"][name]))

    def wanted(self, section: str) -> dict[str, Any]:
        """The entries of Resources or Outputs whose condition is true, not resolved."""
        return {
            name: entry
            for name, entry in self._source[section].items()
            if "Condition" not in entry or self.condition(entry["Condition"])
        }

    def resolve(self, value: Any) -> Any:
        """Evaluates the functions in a value."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not LEFT_OUT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self.reference(argument)
            if function == "Condition" and isinstance(argument, str):  # of a role it is a mapping
                return self.condition(argument)
            if function.startswith("Fn::"):
                return self._call(function.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not LEFT_OUT}

    def _call(self, function: str, argument: Any) -> Any:
        if function == "If":
            condition, yes, no = argument
            return self.resolve(yes if self.condition(condition) else no)
        if function == "GetAtt":
            return self.attribute(*argument)
        if function == "Sub":
            return self._substitute(argument)
        arguments = self.resolve(argument)
        match function:
            case "Equals":  # parameters are texts to CloudFormation
                return str(arguments[0]) == str(arguments[1])
            case "Not":
                return not arguments[0]
            case "And":
                return all(arguments)
            case "Or":
                return any(arguments)
            case "Select":
                return arguments[1][int(arguments[0])]
            case "Split":
                return arguments[1].split(arguments[0])
            case "Join":
                return arguments[0].join(arguments[1])
        raise KeyError(f"Fn::{function} is not supported.")

    def _substitute(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def value(match: re.Match[str]) -> str:
            if match[1] in own:
                return str(self.resolve(own[match[1]]))
            name, dot, attribute = match[1].partition(".")
            return str(self.attribute(name, attribute) if dot else self.reference(name))

        return re.sub(r"\$\{([^}!]+)\}", value, text)
