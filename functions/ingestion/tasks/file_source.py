"""Finds the source of a file that Validate File has accepted, and what the ledger keeps of it."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ingestion.contracts import File
from ingestion.sources.declaration import recorded_source
from ingestion.sources.model import Source
from ingestion.tasks.deployed_sources import deployed_sources


def source_of(file: File) -> Source:
    """The source that travels with a file. Executions of an earlier release, which knew no sources,
    have the built-in one."""
    if file.source is None:
        return deployed_sources().built_in
    return _recorded(json.dumps(file.source))


def source_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger's entry of a load keeps of its source, given what `source_record` returns.

    `declaration` is for `tickets audit`, which may run years after the source was changed.
    """
    return {
        "source": {name: value for name, value in record.items() if name != "declaration"},
        "declaration": json.dumps(record["declaration"]),
    }


@lru_cache(maxsize=16)  # a call reads a chunk, or a whole small file, usually of a known source
def _recorded(text: str) -> Source:
    return recorded_source(json.loads(text))
