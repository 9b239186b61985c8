"""Hostile files through the whole stack on the embedded engine: S3 event, queue, state machine,
functions with their own roles, and the table.

One kind for each ending. `test_domain.py` has all kinds, with the same handlers.
"""

from collections.abc import Iterator

import pytest

from tests.catalogue.expectations import MAX_REFUSED_PERCENT, ONE_CHUNK, STATUS, Tickets
from tests.catalogue.kinds import Kind, one_for_each_ending
from tests.catalogue.outcomes import outcome_of
from tests.support.running_stack import RunningStack
from tickets.local.deployment import local_stack

KINDS = one_for_each_ending()
# In `make test`: one with a stray quote, and one that is refused.
QUICK = {"a_stray_quote_in_the_first_row", "gzip_of_gzip"}
assert {kind.name for kind in KINDS} >= QUICK


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    parameters = {
        "ChunkSizeBytes": str(ONE_CHUNK[0]),
        "MaxRefusedPercent": str(MAX_REFUSED_PERCENT),
    }
    with local_stack(parameters=parameters, wait_scale=0.02) as local:
        yield RunningStack(local)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            id=kind.name,
            marks=[] if kind.name in QUICK else [pytest.mark.exhaustive],
        )
        for kind in KINDS
    ],
)
def test_the_engine_answers_as_written_by_hand(kind: Kind, stack: RunningStack) -> None:
    body, expected = kind.make(Tickets(kind.name))
    execution = stack.load(f"catalogue/{kind.name}{kind.suffix}", body)
    # In a versioned bucket a load has the name of its upload's execution.
    found = outcome_of(stack, execution["name"], kind.name)
    assert found == expected
    assert execution["status"] == STATUS[expected.ending]
