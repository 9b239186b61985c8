"""Makes the File that Validate File returns for an accepted file, for tests of later tasks."""

from dataclasses import replace
from typing import Any

from ingestion.contracts import File

ACCEPTED = File(
    bucket="uploads",
    key="a.csv",
    version_id="v1",
    etag="0" * 32,
    size=1000,
    compression=None,
    delimiter=",",
    columns={
        "ticket_id": 0,
        "product": 1,
        "basket_id": 2,
        "timestamp": 3,
        "category": 4,
        "quantity": 5,
        "store": 6,
    },
    width=7,
    data_start=0,
    header_lines=1,
)


def accepted_file(**changes: Any) -> File:
    """A file with the default columns in their usual order, with these fields changed."""
    return replace(ACCEPTED, **changes)
