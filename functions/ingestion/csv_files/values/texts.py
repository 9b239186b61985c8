"""Reads texts, and converts columns of them."""

import re
from collections.abc import Callable, Mapping, Set

from ingestion.csv_files.values.columns import Values, Whole, joined
from ingestion.csv_files.values.outcomes import Value
from ingestion.sources.model import Constraints


def read_text(text: str) -> Value:
    return Value(text, text)


def text_columns(
    constraints: Constraints, missing_values: Set[bytes], stands_for_missing: Mapping[bytes, bytes]
) -> Whole | None:
    """What converts columns of texts. `stands_for_missing` maps missing values to what stands for
    them; it is empty if they are refused. None if each text must be looked up."""
    are_valid = _validity(constraints)
    if are_valid is None:
        return None

    def convert(values: Values) -> Values | None:
        if missing_values.isdisjoint(values):
            return values if are_valid(values) else None
        present = [value for value in values if value not in missing_values]
        if not stands_for_missing or not are_valid(present):
            return None
        return [stands_for_missing.get(value, value) for value in values]

    return convert


def _validity(constraints: Constraints) -> Callable[[Values], bool] | None:
    """A function that checks texts against constraints. It may refuse valid ones. None if there are
    constraints that it would have to look up text by text."""
    if constraints.enum is not None:
        return None
    shortest, longest = constraints.min_length, constraints.max_length
    if constraints.pattern is None and shortest is None and longest is None:
        return lambda values: True
    matches = re.compile(constraints.pattern or "(?s:.*)").fullmatch

    def are_valid(values: Values) -> bool:
        column = joined(values)
        if not values or b"\\" in column:  # nothing is left, or something is escaped
            return not values
        texts = column[:-1].decode().split("\n")
        if longest is not None and max(map(len, texts)) > longest:
            return False
        if shortest is not None and min(map(len, texts)) < shortest:
            return False
        return constraints.pattern is None or all(map(matches, texts))

    return are_valid
