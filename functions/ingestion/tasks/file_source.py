"""Finds the source of a file that Validate File has accepted."""

import json
from functools import lru_cache

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


@lru_cache(maxsize=16)  # a call reads a chunk, or a whole small file, usually of a known source
def _recorded(text: str) -> Source:
    return recorded_source(json.loads(text))
