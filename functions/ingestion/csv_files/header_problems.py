"""Compares the names in a header with a source's fields, and says what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ingestion.contracts import Reason
from ingestion.csv_files.column_names import nearest_names
from ingestion.csv_files.header_search import MAX_LINES_ABOVE, HeadLine
from ingestion.csv_files.rows import BUILT_IN
from ingestion.sources.model import Source, Template

SOURCES_PAGE = "docs/sources.md"
"""Where a user reads how to declare what a file looks like."""

_DELIMITER_NAMES = {b",": "commas", b";": "semicolons", b"\t": "tabs", b"|": "pipes"}
_MAX_NAMES = 20
_MAX_NAME_LENGTH = 40


def problems_of(line: HeadLine, source: Source) -> list[Reason]:
    """Why a line can't be the header. Empty if it names each field once, or those that the file
    must have."""
    if not line.found:
        where = (
            f"Line {line.number}, the declared header, names none"
            if source.dialect.header_rows
            else f"None of the first {MAX_LINES_ABOVE + 1} lines names one"
        )
        fields = _listed([field.name for field in source.fields])
        detail = f"{where} of the columns {fields}. {_what_was_found(line)} Add a header, or"
        detail += (
            f" declare a source for the file ({SOURCES_PAGE})."
            if source.name == BUILT_IN
            else f" correct the declaration of the source {source.name}."
        )
        return [Reason("no_header", detail, line.number)]
    nearest = nearest_names(line.names, line.columns)
    needed = _needed(source)
    reasons = []
    for name, columns in line.columns.items():
        if not columns and name in needed:
            detail = f"The header has no column {name}."
            if name in nearest:
                detail += f' Is it "{nearest[name]}"?'
            reasons.append(Reason("missing_column", detail, line.number, name))
        elif len(columns) > 1:
            titles = " and ".join(f'"{_shown(line.names[at])}"' for at in columns[:3])
            detail = f"The header has more than one column {name}: {titles}."
            reasons.append(Reason("repeated_column", detail, line.number, name))
    if reasons:
        detail = f"{reasons[-1].detail} {_what_was_found(line)} {_what_to_do(source)}"
        reasons[-1] = replace(reasons[-1], detail=detail)
    return reasons


def unexpected_columns(
    names: Sequence[str], columns: Mapping[str, int], line: int, source: Source
) -> Reason | None:
    """Why a header doesn't fit `fieldsMatch`, if it has columns that aren't fields, or has the
    fields in another order. `columns` maps the fields that were found to columns."""
    known = set(columns.values())
    unknown = [name for column, name in enumerate(names) if column not in known]
    if unknown and source.fields_match in ("exact", "equal", "superset"):
        titles = _listed([f'"{_shown(name)}"' for name in unknown])
        detail = (
            f"The header has columns that the source {source.name} does not declare: {titles}."
            " Declare them, or declare `fieldsMatch` as `subset` to leave them out"
            f" ({SOURCES_PAGE})."
        )
        return Reason("unexpected_column", detail, line)
    if source.fields_match == "exact" and [columns.get(one.name) for one in source.fields] != list(
        range(len(names))
    ):
        detail = (
            f"The header has the fields of the source {source.name} in another order. Declare"
            f" `fieldsMatch` as `equal` or `subset` if it doesn't matter ({SOURCES_PAGE})."
        )
        return Reason("column_order", detail, line)
    return None


def missing_positions(names: Iterable[str], width: int, source: Source) -> list[Reason]:
    """The reason to refuse a file without header, whose rows have `width` fields and therefore
    lack the fields `names`, which it must have."""
    needed = _needed(source)
    return [
        Reason(
            "missing_column", f"The rows have {width:,} fields, and none for {name}.", None, name
        )
        for name in names
        if name in needed
    ]


def fields_separated_by(fields: int, delimiter: bytes) -> str:
    if fields == 1:
        return "one field"
    name = _DELIMITER_NAMES.get(delimiter, f'"{delimiter.decode()}"')
    return f"{fields:,} fields separated by {name}"


def _needed(source: Source) -> set[str]:
    """The names of the fields that a file must have."""
    names = {field.name for field in source.fields}
    if source.fields_match not in ("superset", "partial"):
        return names
    needed = {
        field.name
        for field in source.fields
        if field.constraints.required or field.attribute in source.primary_key
    }
    for attribute in source.primary_key:
        value = source.values.get(attribute)
        if isinstance(value, Template):
            needed |= names & set(value.names)
    return needed


def _what_was_found(line: HeadLine) -> str:
    """A sentence that says how a line was read, without values of a row."""
    if not line.names:
        return f"The quotes of line {line.number} do not match, or it is too long."
    how = fields_separated_by(len(line.names), line.delimiter)
    named = f", and names {_listed(line.found)}" if line.found else ""
    return f"Line {line.number} has {how}{named}."


def _what_to_do(source: Source) -> str:
    if source.name == BUILT_IN:
        return f"Correct the header, or declare a source for the file ({SOURCES_PAGE})."
    return f"The file was read with the source {source.name}."


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _shown(name: str) -> str:
    return name.strip()[:_MAX_NAME_LENGTH]
