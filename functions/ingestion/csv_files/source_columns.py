"""Compiles a source for one file: what each of its columns is converted to, and the attributes that
are made of several columns."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.templates import Filler
from ingestion.sources.model import Field, Source, Template

LINE = "{line}"
"""The name in templates that stands for the number of a row's first line in the file."""


class Origin(NamedTuple):
    """Where records come from, for the templates that name it."""

    key: str = ""
    """The S3 key of the file."""
    load_id: str = ""
    lines_before: int = 0
    """Lines of the file before the text that is read, such as those above a chunk."""


NO_ORIGIN = Origin()


class SourceColumn(NamedTuple):
    """A field of the source."""

    at: int | None
    """The zero-based field of the file. None if the file lacks it: it is missing in every row."""
    conversion: Conversion


def source_columns(
    source: Source, columns: Mapping[str, int], key: Collection[str] = ()
) -> list[SourceColumn]:
    """The source's fields, in its order. `columns` maps their names to zero-based fields of the
    file. `key` has the names of the table's key attributes: what they are made of is required."""
    required = {
        name
        for attribute, value in source.values.items()
        if attribute in key and isinstance(value, Template)
        for name in value.names
    }
    return [
        SourceColumn(
            columns.get(field.name),
            _conversion(
                _as_required(field) if field.name in required else field,
                is_key=field.attribute in key,
            ),
        )
        for field in source.fields
    ]


def _as_required(field: Field) -> Field:
    return replace(field, constraints=replace(field.constraints, required=True))


def fillers(source: Source, origin: Origin) -> dict[str, Filler]:
    """What makes each attribute that has a template in the source's `values`."""
    constants = {"{key}": origin.key, "{load}": origin.load_id}
    return {
        name: Filler(value, constants)
        for name, value in source.values.items()
        if isinstance(value, Template)
    }


def constant_numbers(source: Source) -> dict[str, str]:
    """The attributes of type N that are the same in every row, as canonical numbers. Raises
    ValueError if DynamoDB can't store one."""
    numbers = {}
    for name, value in source.values.items():
        if not isinstance(value, Template):
            number = canonical_number(str(value))
            if number is None:
                raise ValueError(
                    f"dynamodb.values.{name}: DynamoDB can't store {value!r} as a number."
                )
            numbers[name] = number
    return numbers


def text_fields(source: Source) -> list[Field]:
    """The fields that are stored as they are written."""
    return [
        field
        for field in source.fields
        if field.type == "string" and field.stored_as == "S" and field.attribute
    ]


def made_of(source: Source) -> dict[str, str]:
    """The field that each attribute is made of, or an empty text if there are several or none."""
    fields = {field.attribute: field.name for field in source.fields if field.attribute}
    for name, value in source.values.items():
        names = value.names if isinstance(value, Template) else ()
        fields[name] = names[0] if len(names) == 1 else ""
    return fields


@lru_cache(maxsize=256)  # a function reads many small files, usually of a few sources
def _conversion(field: Field, *, is_key: bool) -> Conversion:
    return Conversion(field, is_key=is_key)
