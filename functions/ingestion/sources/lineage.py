"""Adds lineage to a source: an attribute that says from which line of which load an item comes.

Its value is `LOAD#LINE`, such as `store-12-a-csv-9f86d081884c7d65#17`. It is one more of the
source's `values`, so the items, the plan and the types of attributes need nothing else.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from ingestion.sources.model import Source, Template

_TEMPLATE = Template(("", "#", ""), ("{load}", "{line}"))
_VALUE = re.compile(r"([0-9A-Za-z_-]+)#([1-9][0-9]*)")


class Lineage(NamedTuple):
    """What the attribute says about an item. `line` is counted from 1, in the file."""

    load_id: str
    line: int


def with_lineage(source: Source, attribute: str | None) -> Source:
    """The source whose items also have their lineage in an attribute. None changes nothing."""
    if attribute is None:
        return source
    return replace(source, values={**source.values, attribute: _TEMPLATE}, lineage=attribute)


def lineage_problem(source: Source, attribute: str, key: Collection[str]) -> str | None:
    """Why the items of a source can't have their lineage in an attribute, in a sentence. None if
    they can. `key` has the names of the table's key attributes."""
    if attribute in source.attribute_types:
        return (
            f"Source {source.name} stores an attribute {attribute}, which is also the stack's "
            "LineageAttribute. Choose another name for one of them."
        )
    if attribute in key:
        return (
            f"The stack's LineageAttribute, {attribute}, is part of the table's key, so rows with "
            "equal keys would not be found. Choose another name for it."
        )
    return None


def lineage_prefix(load_id: str) -> str:
    """The beginning of a load's values, which no other load's values have."""
    return f"{load_id}#"


def read_lineage(value: str) -> Lineage | None:
    """Reads the attribute's value. Returns None if it has another form."""
    match = _VALUE.fullmatch(value)
    return Lineage(match[1], int(match[2])) if match else None
