"""Computes the generation of a load: a digest of everything that decides what its rows become.

The names of a load's plan, ledger entries and digests contain its generation. If the generation
changes, for example because the table was created again, the load begins again: it never reads
entries of another generation. A late writer of another generation can't overwrite its entries.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RULES_VERSION = 2
"""Increase this number whenever the rules that convert a file to items change."""

BUILT_IN: Mapping[str, Any] = {"name": "tickets"}
"""The only source that exists: the built-in columns."""


def generation(
    table_id: str | None, source: Mapping[str, Any] = BUILT_IN, lineage: str | None = None
) -> str:
    """Return the generation of a load: 16 hexadecimal digits.

    ``table_id`` is the table's TableId, which changes if the table is deleted and created again.
    ``source`` has the properties that decide what a row becomes. ``lineage`` is the attribute that
    names the load in each item, or None.
    """
    basis = json.dumps([RULES_VERSION, table_id, source, lineage], sort_keys=True)
    return hashlib.sha256(basis.encode()).hexdigest()[:16]
