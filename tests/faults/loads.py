"""A file for the faults on moto, its S3 event, and how its load must have ended."""

import json
from collections.abc import Mapping
from typing import Any

from ingestion.s3.notifications import read_notification
from tests.faults.matrix import Kind
from tests.support.cloud import Cloud
from tests.support.state_machine import Execution
from tests.support.ticket_files import TicketFile

CHUNK_SIZE = 1200  # bytes, which makes five chunks of a `ticket_file`


def ticket_file(name: str) -> TicketFile:
    """Five chunks: sixty good rows, one that is superseded in the first chunk, one refused in the
    third."""
    file = TicketFile(name)
    time = "2026-03-01T12:00:00Z"
    file.refused(f"{{}}-s01,Rice,B1,{time},Home,1,Lyon", "", "superseded")
    file.raw(f"{{}}-s01,Rice,B1,{time},Home,2,Lyon").rows(30)
    file.refused(f"{{}}-b01,Soap,B1,{time},Home,two,Lyon", "quantity", "bad_quantity")
    return file.rows(30)


def s3_event(given: Mapping[str, Any], sequencer: str = "0065") -> str:
    """The body of the SQS message that announces an upload."""
    stored = {"key": given["key"], "versionId": given["version_id"], "eTag": given["etag"]}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"},
        "s3": {
            "bucket": {"name": given["bucket"]},
            "object": {**stored, "size": 1, "sequencer": sequencer},
        },
    }
    body = json.dumps({"Records": [record]})
    assert read_notification(body).uploads
    return body


def assert_ended(execution: Execution, kind: Kind) -> None:
    """Asserts that the execution ended as the matrix says."""
    assert execution.ended_in == kind.ending, execution.cause
    assert kind.why in execution.cause


def assert_no_second_try(cloud: Cloud) -> None:
    """Each task has recovered within its own call."""
    assert cloud.failed_calls == []


def failed_chunks(execution: Execution) -> dict[int, str]:
    """The error and its cause of each chunk that failed, by the chunk's index."""
    return {
        child.given["chunk"]["index"]: f"{child.error}: {child.cause}"
        for child in execution.all_children
        if child.status == "FAILED"
    }
