"""Reads booleans."""

from ingestion.csv_files.values.numbers import Read
from ingestion.csv_files.values.outcomes import Value
from ingestion.sources.model import Field

TRUE = Value("true", True)
FALSE = Value("false", False)


def booleans(field: Field) -> Read:
    """A reader of booleans. Raises ValueError if the field's declaration can't be met."""
    for name, texts in (("trueValues", field.true_values), ("falseValues", field.false_values)):
        if not texts:
            raise ValueError(f'"{name}" is empty.')
    values = dict.fromkeys(field.true_values, TRUE) | dict.fromkeys(field.false_values, FALSE)
    return values.get
