"""Files in buckets that the stack didn't create, on an engine of its own: an upload bucket whose
events come through EventBridge, and buckets that `tickets ingest s3://...` may load from.
"""

import gzip
import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.e2e.conftest import CHUNK_SIZE, WAIT_SCALE
from tests.support.load_assertions import assert_same_items
from tests.support.planted_faults import physical
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets.cli.app import app
from tickets.doctor.deployment import Deployment
from tickets.doctor.diagnosis import CHECKS, run
from tickets.doctor.findings import FAILED, OK, WARNING
from tickets.local.deployment import local_stack
from tickets.runs import connect

pytestmark = pytest.mark.exhaustive  # the template's tests are the quick ones

EXISTING = "till-files"
WITHOUT_VERSIONS, WITH_VERSIONS, OTHER = "archive.2025", "archive-2026", "archive-2026-other"
PARAMETERS = {
    "ChunkSizeBytes": str(CHUNK_SIZE),
    "ExistingUploadBucket": EXISTING,
    "ReadableBuckets": f"{WITHOUT_VERSIONS},{WITH_VERSIONS}",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with local_stack(parameters=PARAMETERS, wait_scale=WAIT_SCALE) as local:
        stack = RunningStack(local)
        for bucket in (EXISTING, WITHOUT_VERSIONS, WITH_VERSIONS, OTHER):
            stack.s3.create_bucket(Bucket=bucket)
        for bucket in (EXISTING, WITH_VERSIONS):
            keep_versions(stack, bucket, "Enabled")
        send_events(stack, {"EventBridgeConfiguration": {}})
        yield stack


def keep_versions(stack: RunningStack, bucket: str, status: str) -> None:
    stack.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def send_events(stack: RunningStack, configuration: dict[str, dict[str, str]]) -> None:
    stack.s3.put_bucket_notification_configuration(
        Bucket=EXISTING, NotificationConfiguration=configuration
    )


def two_chunks(name: str) -> TicketFile:
    """With a key in both of them, so that Settle Equal Keys reads the file as well."""
    file = TicketFile(name)
    file.refused("{}-000000,Soap,B1,2026-03-01T12:00:00Z,Home,1,Lyon", "", "superseded")
    return file.rows(1_200).raw("{}-000000,Soap,B1,2026-03-01T12:00:00Z,Home,2,Lyon")


@pytest.mark.parametrize("ending", [".csv", ".cSv", ".CSV.gz"])
def test_an_upload_to_an_existing_bucket_is_loaded(stack: RunningStack, ending: str) -> None:
    file = two_chunks(f"existing{ending}")
    body = gzip.compress(file.body) if ending.endswith("gz") else file.body
    key = f"shops/lyon{ending}"
    stack.upload(f"{key}.txt", body)
    stack.upload(key, body)
    # Without its version, which the engine's event doesn't have.
    [execution] = until(lambda: stack.executions(key), f"an execution for {key}")
    assert_both_chunks_loaded(stack, execution, file)
    # S3, the rule and the queue work in order here, so it was passed over.
    assert stack.executions(f"{key}.txt") == []


def assert_both_chunks_loaded(stack: RunningStack, arn: str, file: TicketFile) -> None:
    execution = stack.ended(arn)
    assert execution["status"] == "SUCCEEDED", execution
    result = json.loads(execution["output"])["result"]
    totals = file.expected().totals
    assert result["chunks"] == 2
    assert {name: result[name] for name in totals} == totals
    assert_same_items(stack, file)
    assert "Settle Equal Keys" in stack.states_entered(arn)


def ingest(stack: RunningStack, *arguments: str) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "find_stack", lambda *_: stack.names)
        result = CliRunner().invoke(app, ["ingest", *arguments, "--wait"])
    return result.exit_code, result.output


@pytest.mark.parametrize("bucket", [WITHOUT_VERSIONS, WITH_VERSIONS])
def test_an_object_of_a_readable_bucket_is_loaded(stack: RunningStack, bucket: str) -> None:
    file = two_chunks(bucket)
    key = f"old/{bucket}.txt"
    stack.s3.put_object(Bucket=bucket, Key=key, Body=file.body)
    exit_code, output = ingest(stack, f"s3://{bucket}/{key}")
    assert exit_code == 0, output
    [execution] = stack.executions(key)
    assert_both_chunks_loaded(stack, execution, file)


def test_no_other_bucket_can_be_read(stack: RunningStack) -> None:
    file = TicketFile("other").rows(5)
    stack.s3.put_object(Bucket=OTHER, Key="other.csv", Body=file.body)
    exit_code, output = ingest(stack, f"s3://{OTHER}/other.csv")
    assert exit_code == 1
    assert "S3 denies access to the object" in " ".join(output.split())
    assert stack.items_of(file.name) == {}


def test_the_settings_are_checked(stack: RunningStack) -> None:
    deployment = Deployment.read(stack.names)
    found = {name: run(CHECKS[name], deployment) for name in CHECKS}
    assert found["upload notification"].detail == (
        f"{EXISTING} sends events to EventBridge, and the rule sends them to the upload queue"
    )
    assert found["upload queue"].detail == ("admits the rule, and has its dead-letter queue")
    assert found["permissions"].status == OK, found["permissions"].detail
    assert found["upload queue"].status == found["upload notification"].status == OK


def test_a_bucket_without_events_for_eventbridge_is_found(stack: RunningStack) -> None:
    send_events(stack, {})
    try:
        found = run(CHECKS["upload notification"], Deployment.read(stack.names))
    finally:
        send_events(stack, {"EventBridgeConfiguration": {}})
    assert found.status == FAILED
    assert found.detail == f"{EXISTING} sends no events to EventBridge, so uploads start nothing"
    assert found.next == "docs/operations.md#load-from-a-bucket-that-exists"


def test_a_disabled_rule_is_found(stack: RunningStack) -> None:
    events, rule = stack.names.client("events"), physical(stack, "ExistingBucketRule")
    events.disable_rule(Name=rule)
    try:
        found = run(CHECKS["upload notification"], Deployment.read(stack.names))
    finally:
        events.enable_rule(Name=rule)
    assert (found.status, found.detail) == (FAILED, "the rule is DISABLED")


def test_a_bucket_without_versions_is_a_warning(stack: RunningStack) -> None:
    keep_versions(stack, EXISTING, "Suspended")
    try:
        found = run(CHECKS["backups"], Deployment.read(stack.names))
    finally:
        keep_versions(stack, EXISTING, "Enabled")
    assert found.status == WARNING
    assert found.detail.startswith(f"{EXISTING} keeps no versions")
