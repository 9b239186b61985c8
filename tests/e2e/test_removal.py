"""Removing the stack and deploying again over what it kept, as docs/operations.md describes it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets import ROOT
from tickets.local.deployment import LOCAL_PARAMETERS, LocalStack, deploy, local_stack

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.fixture
def own() -> Iterator[RunningStack]:
    """A stack that this test may remove."""
    with local_stack() as local:
        yield RunningStack(local)


def remove(stack: RunningStack) -> None:
    client = stack.names.client("cloudformation")
    client.delete_stack(StackName=stack.names.name)

    def gone() -> bool:
        found = client.list_stacks()["StackSummaries"]
        return all(one["StackStatus"] == "DELETE_COMPLETE" for one in found)

    until(gone, "the end of the stack")


def emptying_script() -> str:
    """The Python of the page's command that empties and deletes buckets."""
    scripts: list[str] = re.findall(
        r"^\.venv/bin/python -c '\n(.*?)\n' ", OPERATIONS, re.MULTILINE | re.DOTALL
    )
    [script] = scripts
    return script


@pytest.mark.exhaustive
def test_what_was_loaded_outlives_the_stack_and_can_be_loaded_into_again(
    own: RunningStack,
) -> None:
    before, after = TicketFile("before").rows(20), TicketFile("after").rows(20)
    assert own.load("before.csv", before.body)["status"] == "SUCCEEDED"
    uploads, work = own.names.upload_bucket, own.names.work_bucket
    remove(own)
    assert own.names.table in own.dynamodb.list_tables()["TableNames"]
    kept = own.s3.list_object_versions(Bucket=uploads)["Versions"]
    assert [one["Key"] for one in kept] == ["before.csv"]

    parameters = {**LOCAL_PARAMETERS, "CreateTable": "false", "TableName": own.names.table}
    names = deploy(own.local.engine, parameters)
    again = RunningStack(LocalStack(names, own.local.engine))
    assert {uploads, work}.isdisjoint({names.upload_bucket, names.work_bucket})
    assert again.load("after.csv", after.body)["status"] == "SUCCEEDED"
    assert len(again.items_of("before")) == len(again.items_of("after")) == 20

    remove(again)
    endpoint = own.local.engine.endpoint_url
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    buckets = [uploads, work, names.upload_bucket, names.work_bucket]
    subprocess.run(
        [sys.executable, "-c", emptying_script(), *buckets],
        env={**os.environ, **keys, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": names.region},
        check=True,
    )
    left = {one["Name"] for one in own.s3.list_buckets()["Buckets"]}
    assert left.isdisjoint(buckets)
