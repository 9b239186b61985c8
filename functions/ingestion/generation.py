"""Generations: what a load has written and recorded counts only while nothing it rests on changes.

The plan, the chunks' ledger entries and the digests of a load carry its generation. Entries of
another generation are never read, and a late writer of another generation can't overwrite them.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RULES_VERSION = 1
"""To be raised whenever the rules change by which a file becomes items."""

BUILT_IN: Mapping[str, Any] = {"name": "tickets"}
"""Stands for the one source there is: the built-in columns."""


def generation(
    table_id: str | None, source: Mapping[str, Any] = BUILT_IN, lineage: str | None = None
) -> str:
    """The generation of a load, 16 hexadecimal digits.

    ``table_id`` is DynamoDB's id of the table (a table that is created anew has another one),
    ``source`` the properties that decide what a row becomes, and ``lineage`` the attribute that
    names the load in each item, if any.
    """
    basis = json.dumps([RULES_VERSION, table_id, source, lineage], sort_keys=True)
    return hashlib.sha256(basis.encode()).hexdigest()[:16]
