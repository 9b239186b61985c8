"""Makes sources for tests, and knows the built-in one."""

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
