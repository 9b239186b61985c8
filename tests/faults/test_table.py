"""Faults of the table that the rows go to."""

from tests.faults.matrix import Kind
from tests.support.burst import Burst
from tests.support.load_assertions import assert_accounted
from tests.support.tasks import TABLE, Tasks, assert_ended, assert_no_second_try, ticket_file
from tests.support.wire import Call, hand_back_all_but, lose_reply, names, refuse


def batches(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.operation == "BatchWriteItem"]


def test_unprocessed_items(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("unprocessed")
    with tasks.wire.fault("BatchWriteItem", hand_back_all_but(4), times=9) as fault:
        ended = tasks.run(tasks.upload(file))
    assert len(fault.fired) == 9
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_throughput_exceeded(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("throttled")
    with burst.fault(
        tasks.wire,
        service="dynamodb",
        operation="BatchWriteItem",
        sequence={"fail": 1, "pass": 1},
        error={"code": "ProvisionedThroughputExceededException"},
    ) as fired:
        ended = tasks.run(tasks.upload(file))
    assert len(fired) >= 5, "one of each chunk"
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_write_reply_lost(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("reply-lost")
    with tasks.wire.fault("BatchWriteItem", lose_reply, times=3) as fault:
        ended = tasks.run(tasks.upload(file))
    assert len(fault.fired) == 3
    sent = [call.json for call in batches(tasks.wire.calls)]
    for call in fault.fired:
        assert sent.count(call.json) >= 2, "sent again, since nobody knew that it had landed"
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_server_errors(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("server-errors")
    with burst.fault(
        tasks.wire,
        service="dynamodb",
        operation="BatchWriteItem",
        times=3,
        error={"code": "InternalServerError", "status": 500},
    ) as fired:
        ended = tasks.run(tasks.upload(file))
    assert len(fired) == 3
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_table_missing(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("no-table")
    given = tasks.upload(file)
    tasks.dynamodb.delete_table(TableName=TABLE)
    ended = tasks.run(given)
    assert_ended(ended, kind)
    assert "ResourceNotFoundException" in ended.state["failed_chunks"][0]
    assert tasks.chunk_entries(ended.state["load_id"]) == []
    assert batches(tasks.wire.calls) == []

    tasks.create_table(TABLE, "ticket_id", "product")
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)


def test_one_chunk_fails_for_ever(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("one-chunk")
    given = tasks.upload(file)
    ticket = names("one-chunk-000009")
    with tasks.wire.fault("BatchWriteItem", refuse("ValidationException"), where=ticket) as fault:
        ended = tasks.run(given)
    assert len(fault.fired) == 6, "every try of the chunk"
    assert_ended(ended, kind)
    assert list(ended.state["failed_chunks"]) == [2]
    assert "ValidationException" in ended.state["failed_chunks"][2]
    load_id = ended.state["load_id"]
    assert_accounted(tasks, load_id, file)
    finished = tasks.chunk_entries(load_id)
    assert [entry["index"] for entry in finished] == [0, 1, 3, 4]

    tasks.wire.calls.clear()
    replayed = tasks.run(given, "first-r1")
    report = tasks.assert_loaded(replayed, file)
    [chunk] = [one for one in tasks.chunk_entries(load_id) if one["index"] == 2]
    put = [item for call in batches(tasks.wire.calls) for item in call.json["RequestItems"][TABLE]]
    assert len(put) == chunk["rows_written"], "not a row of a finished chunk is written again"
    assert [one for one in tasks.chunk_entries(load_id) if one["index"] != 2] == finished
    assert [arn.rpartition(":")[2] for arn in report["executions"]] == ["first", "first-r1"]


def test_every_chunk_fails(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("denied")
    given = tasks.upload(file)
    with burst.fault(
        tasks.wire,
        service="dynamodb",
        operation="BatchWriteItem",
        body="!contains(to_string(@), 'denied-s01')",  # which is in the first chunk
        error={"code": "AccessDeniedException"},
    ) as fired:
        ended = tasks.run(given)
    assert len(fired) >= 4 * 6, "every try of four chunks"
    assert_ended(ended, kind)
    assert list(ended.state["failed_chunks"]) == [1, 2, 3, 4]
    assert_accounted(tasks, ended.state["load_id"], file)
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)
