"""Faults between an upload and its execution."""

import json

import pytest

from tests.faults.loads import s3_event, ticket_file
from tests.faults.matrix import LOADED, NOT_STARTED, Kind
from tests.support.cloud import Cloud
from tests.support.load_assertions import assert_loaded
from tests.support.queue_events import queue_record
from tests.support.running_stack import RunningStack, Upload, until
from tests.support.ticket_files import TicketFile
from tests.support.wire import lose_reply, refuse


def events_of(stack: RunningStack, uploads: list[Upload]) -> list[str]:
    """The uploads' S3 events, taken out of the queue, in the order of the uploads."""
    events = stack.received(stack.names.upload_queue_url, len(uploads))
    return [next(one for one in events if upload.version_id in one) for upload in uploads]


def deliver(stack: RunningStack, event: str) -> None:
    stack.sqs.send_message(QueueUrl=stack.names.upload_queue_url, MessageBody=event)


def batch(*bodies: str) -> dict[str, object]:
    records = [queue_record(f"m{at}", body) for at, body in enumerate(bodies)]
    return {"Records": records}


def failures(answer: dict[str, object]) -> list[str]:
    found = json.loads(json.dumps(answer))["batchItemFailures"]
    return [one["itemIdentifier"] for one in found]


def test_duplicate_events(kind: Kind, stack: RunningStack) -> None:
    file = TicketFile("duplicate").rows(300)
    with stack.uploads_held():
        upload = stack.upload("events/duplicate.csv", file.body)
        other = stack.upload("events/duplicate-other.csv", TicketFile("other").rows(1).body)
        event, other_event = events_of(stack, [upload, other])
        for _ in range(3):
            deliver(stack, event)
        deliver(stack, other_event)
    ended = stack.ended(stack.execution_of(upload))
    assert stack.states_entered(ended["executionArn"])[-1] == kind.ending
    deliver(stack, event)  # and once more when all is done
    until(lambda: stack.queue_is_empty(stack.names.upload_queue_url), "an empty queue")
    assert len(stack.executions(upload.key)) == 1
    assert_loaded(stack, ended, file)


def test_reordered_events(kind: Kind, stack: RunningStack) -> None:
    old, new = TicketFile("reordered").rows(300), TicketFile("reordered-newer").rows(300)
    key = "events/reordered.csv"
    with stack.uploads_held():
        uploads = [stack.upload(key, file.body) for file in (old, new)]
        events = events_of(stack, uploads)
    deliver(stack, events[1])
    assert_loaded(stack, stack.ended(stack.execution_of(uploads[1])), new)
    deliver(stack, events[0])
    late = stack.ended(stack.execution_of(uploads[0]))

    assert late["status"] == "SUCCEEDED"
    assert stack.states_entered(late["executionArn"])[-1] == kind.ending
    load_id = json.loads(late["output"])["load_id"]
    assert stack.ledger(load_id)["load"]["status"] == "OVERTAKEN"
    assert stack.chunk_entries(load_id) == []
    # Its tickets' numbers begin as the newer one's do, so these are all there are of both.
    assert stack.items_of(old.name) == new.expected().items


def test_poison_record(kind: Kind, cloud: Cloud) -> None:
    files = [TicketFile(f"healthy{at}").rows(10) for at in range(9)]
    events = [s3_event(cloud.upload(file)) for file in files]
    events.insert(4, "This is no S3 event.")
    assert failures(cloud.call("start_execution", batch(*events))) == ["m4"]

    started = sorted(cloud.executions(), key=lambda one: one["input"]["key"])
    assert len(started) == 9
    for file, execution in zip(files, started, strict=True):
        ended = cloud.run(execution["input"], execution["name"])
        assert ended.ended_in == kind.ending
        cloud.assert_loaded(ended, file)
    assert failures(cloud.call("start_execution", batch(events[4]))) == ["m0"], "for ever"


def test_start_execution_throttled(
    kind: Kind, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # as if the SDK had made its others already
    file = ticket_file("throttled-start")
    event = s3_event(cloud.upload(file))
    with cloud.wire.fault("StartExecution", refuse("ThrottlingException")) as fault:
        answer = cloud.call("start_execution", batch(event))
    assert len(fault.fired) == 1
    assert failures(answer) == ["m0"], "so the queue keeps it"
    assert cloud.executions() == []
    assert kind.ending == NOT_STARTED
    assert cloud.items_of(file.name) == {}

    assert failures(cloud.call("start_execution", batch(event))) == []
    [started] = cloud.executions()
    cloud.assert_loaded(cloud.run(started["input"], started["name"]), file)


def test_start_execution_reply_lost(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("unheard-start")
    with cloud.wire.fault("StartExecution", lose_reply, times=1):
        answer = cloud.call("start_execution", batch(s3_event(cloud.upload(file))))
    assert failures(answer) == []
    [started] = cloud.executions()
    ended = cloud.run(started["input"], started["name"])
    assert ended.ended_in == kind.ending == LOADED
    cloud.assert_loaded(ended, file)
