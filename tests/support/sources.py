"""Makes sources for tests, and reads the built-in one."""

import json
from collections.abc import Sequence
from typing import Any

from ingestion.sources.catalogue import BUILT_IN_FILE, BUNDLED
from ingestion.sources.declaration import read_source
from ingestion.sources.model import Dialect, Field, Source

BUILT_IN = read_source((BUNDLED / BUILT_IN_FILE).read_bytes(), BUILT_IN_FILE, is_built_in=True)


def source(*fields: Field, **others: Any) -> Source:
    """A source with these fields, and defaults for the other properties."""
    defaults: dict[str, Any] = {
        "name": "kassenbon",
        "match": ("*",),
        "encoding": "utf_8",
        "dialect": Dialect(),
        "fields_match": "subset",
        "primary_key": (),
        "values": {},
        "equal_keys": "last",
        "max_superseded_percent": None,
        "trusts_line_ends": False,
        "sha256": "0" * 64,
        "declaration": {},
    }
    return Source(fields=fields, **(defaults | others))


def tickets_with(
    fields: dict[str, dict[str, Any]] | None = None,
    primary_key: Sequence[str] = (),
    **dynamodb: Any,
) -> Source:
    """The built-in source with further properties of some fields and of `dynamodb`.

    fields: by name, properties to add to a field.
    """
    declaration = json.loads((BUNDLED / BUILT_IN_FILE).read_text())
    for field in declaration["schema"]["fields"]:
        field.update((fields or {}).get(field["name"], {}))
    if primary_key:
        declaration["schema"]["primaryKey"] = list(primary_key)
    declaration |= {"name": "tills", "match": ["**"], "dynamodb": dynamodb}
    return read_source(json.dumps(declaration).encode(), "tills.json")
