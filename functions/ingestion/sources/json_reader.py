"""Reads JSON objects strictly: a property that is unknown or has a wrong type is a problem."""

from collections.abc import Mapping, Sequence
from typing import Any


class Problems:
    """The problems of one declaration, each a sentence that begins with the property's path."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, path: str, detail: str) -> None:
        self.found.append(f"{path}: {detail}")


class ObjectReader:
    """Reads the properties of one JSON object.

    A method returns its default if the property is missing, and also if it has a problem. `path`
    is the object's own, such as `schema.fields[2]`, and empty for the outermost one.
    """

    def __init__(self, value: Mapping[str, Any], path: str, problems: Problems) -> None:
        self._value = value
        self._read: set[str] = set()
        self.path = path
        self.problems = problems

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def problem(self, name: str, detail: str) -> None:
        self.problems.add(self.path_of(name), detail)

    def path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def any(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return self._value.get(name, default)

    def skip(self, *names: str) -> None:
        """Allows these properties, which only describe."""
        self._read.update(names)

    def end(self) -> None:
        """Reports the properties that were not read."""
        for name in self._value:
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                self.problem(name, f"This property is not supported here. These are: {known}.")

    def text(self, name: str, default: str = "") -> str:
        return str(self._typed(name, default, str, "a text", bool))

    def optional_text(self, name: str) -> str | None:
        return self.text(name) or None

    def boolean(self, name: str, *, default: bool = False) -> bool:
        return bool(self._typed(name, default, bool, "true or false"))

    def character(self, name: str, default: str | None = None) -> str | None:
        value = self._typed(name, default, str, "one character", lambda text: len(text) == 1)
        if value in ("\n", "\r", "\0"):
            self.problem(name, "A line end or NUL can't be used here.")
            return default
        return None if value is None else str(value)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        what = "one of " + ", ".join(choices)
        return str(self._typed(name, default, str, what, lambda text: text in choices))

    def whole(self, name: str) -> int | None:
        value = self._typed(name, None, int, "a whole number, at least 0", lambda one: one >= 0)
        return None if value is None else int(value)

    def number(self, name: str) -> int | float | None:
        value = self._typed(name, None, (int, float), "a number")
        return value if isinstance(value, int | float) else None

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of different texts, at least one, none of them empty."""

        def fits(value: Any) -> bool:
            return (
                bool(value)
                and all(isinstance(one, str) and one for one in value)
                and len(set(value)) == len(value)
            )

        return tuple(self._typed(name, default, list, "a list of different texts", fits))

    def object(self, name: str) -> "ObjectReader":
        """An object. If it is missing, an empty one."""
        value = self._typed(name, {}, dict, "an object")
        return ObjectReader(value, self.path_of(name), self.problems)

    def objects(self, name: str) -> list["ObjectReader"]:
        """A list of objects, at least one."""

        def fits(value: Any) -> bool:
            return bool(value) and all(isinstance(one, dict) for one in value)

        values = self._typed(name, [], list, "a list of objects, with at least one", fits)
        path = self.path_of(name)
        return [
            ObjectReader(value, f"{path}[{index}]", self.problems)
            for index, value in enumerate(values)
        ]

    def _typed(
        self,
        name: str,
        default: Any,
        types: type | tuple[type, ...],
        what: str,
        fits: Any = None,
    ) -> Any:
        if name not in self._value:
            self._read.add(name)
            return default
        value = self.any(name)
        is_typed = isinstance(value, types) and (types is bool or not isinstance(value, bool))
        if is_typed and (fits is None or fits(value)):
            return value
        self.problem(name, f"This must be {what}.")
        return default
