"""Every kind of hostile file through the whole stack on the embedded engine: S3 event, queue,
state machine, functions with their own roles, and the table."""

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.names import execution_name
from tests.catalogue.expectations import MAX_REFUSED_PERCENT, ONE_CHUNK, Tickets
from tests.catalogue.kinds import ALL_KINDS, Kind
from tests.catalogue.outcomes import Places, outcome_of
from tickets.local.deployment import LocalStack, local_stack
from tickets.runs.waiting import DeadlinePassed, polls

STATUS = {"refused": "FAILED", "failed": "FAILED", "loaded": "SUCCEEDED"}
# One of each ending, in `make test`.
SAMPLE = {"unclosed_quote_late", "gzip_of_gzip", "quoted_newlines"}


class Engine:
    def __init__(self, local: LocalStack) -> None:
        self._stack = local.stack
        self._states = local.stack.client("stepfunctions")
        self.places = Places(
            local.stack.client("s3"),
            local.stack.client("dynamodb"),
            local.stack.work_bucket,
            local.stack.table,
            local.stack.ledger_table,
        )

    def load(self, key: str, body: bytes) -> dict[str, Any]:
        """Upload a file; the answer is the execution that this started, once it has ended."""
        bucket = self._stack.upload_bucket
        version = self.places.s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
        machine = self._stack.state_machine_arn
        name = execution_name(bucket, key, version)
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        found: dict[str, Any] = {}
        try:
            for _ in polls(0.05, 110):
                try:
                    found = dict(self._states.describe_execution(executionArn=arn))
                except self._states.exceptions.ExecutionDoesNotExist:
                    continue
                if found["status"] != "RUNNING":
                    return found
        except DeadlinePassed:
            pass
        pytest.fail(f"no end of {arn} in time: {found.get('status', 'it has not begun')}")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    parameters = {
        "ChunkSizeBytes": str(ONE_CHUNK[0]),
        "MaxRefusedPercent": str(MAX_REFUSED_PERCENT),
    }
    with local_stack(parameters=parameters, wait_scale=0.02) as local:
        yield Engine(local)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            id=kind.name,
            marks=[] if kind.name in SAMPLE else [pytest.mark.exhaustive],
        )
        for kind in ALL_KINDS
    ],
)
def test_the_engine_answers_as_written_by_hand(kind: Kind, engine: Engine) -> None:
    body, expected = kind.make(Tickets(kind.name))
    execution = engine.load(f"catalogue/{kind.name}{kind.suffix}", body)
    # In a versioned bucket a load has the name of its upload's execution.
    found = outcome_of(engine.places, execution["name"], kind.name)
    assert found == expected
    assert execution["status"] == STATUS[expected.ending]
