"""Chooses how values of a type are read."""

from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.booleans import booleans
from ingestion.csv_files.values.dates import dates, datetimes, times
from ingestion.csv_files.values.numbers import Read, integers, numbers
from ingestion.csv_files.values.outcomes import Value
from ingestion.csv_files.values.texts import read_text
from ingestion.sources.model import Field

_READERS = {
    "integer": integers,
    "number": numbers,
    "boolean": booleans,
    "date": dates,
    "datetime": datetimes,
    "time": times,
}


def reader(field: Field) -> Read:
    """A reader of the field's values, which must not be lists. Raises ValueError if the field's
    declaration can't be met."""
    if field.type == "string":
        return _read_number_in_text if field.stored_as in ("N", "NS") else read_text
    return _READERS[field.type](field)


def _read_number_in_text(text: str) -> Value | None:
    number = canonical_number(text)
    return None if number is None else Value(number, text)
