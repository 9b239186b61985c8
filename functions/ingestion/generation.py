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

EARLIER_SOURCE: Mapping[str, Any] = {"name": "tickets"}
"""What earlier releases, which knew the built-in source only, had in place of its declaration."""


def generation(
    table_id: str | None, declaration: Mapping[str, Any] | None, lineage: str | None = None
) -> str:
    """Returns the generation of a load: 16 hexadecimal digits.

    `table_id` is the table's TableId, which changes if the table is deleted and created again.
    `declaration` is the source's, without what doesn't change a row; None in executions that
    began before the stack was updated from a release without sources. `lineage` is the attribute
    that names the load in each item, or None.
    """
    basis = [RULES_VERSION, table_id, declaration or EARLIER_SOURCE, lineage]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
