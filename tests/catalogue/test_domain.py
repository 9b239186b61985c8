"""Every kind of hostile file through an execution on moto, at several chunk sizes."""

import os
from collections.abc import Iterator

import pytest

from tests.catalogue.expectations import MAX_REFUSED_PERCENT, STATUS, Tickets
from tests.catalogue.kinds import ALL_KINDS, OUTCOMES, Kind
from tests.catalogue.outcomes import outcome_of
from tests.support.cloud import Cloud, empty_cloud, forget_clients


@pytest.fixture(scope="module")
def catalogue(moto_url: str) -> Iterator[Cloud]:
    """One cloud for all kinds, because each has a different key."""
    limit = str(MAX_REFUSED_PERCENT)
    with empty_cloud(moto_url, MAX_REFUSED_PERCENT=limit, CHUNK_SIZE_BYTES="1") as cloud:
        yield cloud


def cases() -> list[tuple[Kind, int]]:
    """Kinds and chunk sizes; by size, since a change of it costs the function new clients. A
    refused file is never cut."""
    found = []
    for kind in ALL_KINDS:
        is_refused = OUTCOMES[kind.name].ending == "refused"
        found += [(kind, size) for size in kind.chunk_sizes[: 1 if is_refused else None]]
    return sorted(found, key=lambda case: case[1])


LARGE = {
    "a_stray_quote_megabytes_before_the_end",
    "nul_after_the_first_mib",
    "latin1_in_an_unknown_column_after_the_first_mib",
    "latin1_after_the_first_mib",
    "an_item_over_400_kb",
    "a_record_of_nearly_a_mib",
    "gzip_bomb",
    "equal_keys_1000_apart",
}
assert {kind.name for kind in ALL_KINDS} >= LARGE


def is_quick(kind: Kind, size: int) -> bool:
    return size == kind.chunk_sizes[-1] and kind.name not in LARGE


@pytest.mark.parametrize(
    ("kind", "chunk_size"),
    [
        pytest.param(
            kind,
            size,
            id=f"{kind.name}-{size}",
            marks=[] if is_quick(kind, size) else [pytest.mark.exhaustive],
        )
        for kind, size in cases()
    ],
)
def test_the_domain_answers_as_written_by_hand(
    kind: Kind, chunk_size: int, catalogue: Cloud
) -> None:
    if os.environ["CHUNK_SIZE_BYTES"] != str(chunk_size):
        os.environ["CHUNK_SIZE_BYTES"] = str(chunk_size)
        forget_clients()
    prefix = f"{kind.name}-{chunk_size}"
    body, expected = kind.make(Tickets(prefix))
    execution = catalogue.run(catalogue.put(body, f"{prefix}{kind.suffix}"), prefix)
    assert outcome_of(catalogue, execution.data["load_id"], prefix) == expected
    assert execution.status == STATUS[expected.ending]
    # Scans of what earlier files have left would take most of the time.
    for table, *key in (
        (catalogue.table, "ticket_id", "product"),
        (catalogue.ledger_table, "load_id", "entry"),
    ):
        catalogue.dynamodb.delete_table(TableName=table)
        catalogue.create_table(table, *key)


def test_there_are_as_many_kinds_as_promised() -> None:
    assert len(ALL_KINDS) >= 40
    assert {outcome.ending for outcome in OUTCOMES.values()} == {"refused", "loaded", "failed"}
