"""Reads the sources that are deployed with the functions."""

from functools import cache

from ingestion.csv_files.source_columns import constant_numbers
from ingestion.csv_files.values.conversion import Conversion
from ingestion.sources.catalogue import BUNDLED, Sources, read_sources
from ingestion.sources.model import Source


@cache
def deployed_sources() -> Sources:
    """Returns the deployed sources.

    Raises DeclarationError if a declaration can't be used. No file is loaded then.
    """
    return read_sources(BUNDLED, value_problems)


def value_problems(source: Source) -> list[str]:
    """Returns the problems of a source's values: fields that can't be converted, and constants that
    DynamoDB can't store."""
    problems = []
    for index, field in enumerate(source.fields):
        try:
            Conversion(field)
        except ValueError as error:
            problems.append(f"schema.fields[{index}]: {error}")
    try:
        constant_numbers(source)
    except ValueError as error:
        problems.append(str(error))
    return problems
