"""Reads from a file's source what to do with rows with equal keys."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ingestion.contracts import File
from ingestion.csv_files.equal_keys import SUPERSEDED, WhyLeftOut
from ingestion.sources.model import Source
from ingestion.tasks.file_source import source_of


class EqualKeyRules(NamedTuple):
    """Either `why` all rows but the last one of a key are left out, or that they are added up."""

    why: WhyLeftOut = SUPERSEDED
    adds_up: bool = False
    summed: Mapping[str, str] = {}
    """The attributes that are added up, and the fields that they are made of."""


def equal_key_rules(file: File, key: Sequence[str]) -> EqualKeyRules:
    """Returns the rules of a file's source. `key` names the table's key attributes."""
    source = source_of(file)
    if source.equal_keys == "sum":
        return EqualKeyRules(adds_up=True, summed=summed(source, key))
    for field in source.fields:
        if field.constraints.unique:
            return EqualKeyRules(WhyLeftOut("not_unique", field.name))
    return EqualKeyRules()


def summed(source: Source, key: Sequence[str]) -> dict[str, str]:
    """The attributes of a source that are added up, and the fields that they are made of."""
    return {
        field.attribute: field.name
        for field in source.fields
        if field.is_amount and field.attribute and field.attribute not in key
    }
