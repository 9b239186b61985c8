"""Faults of the table that the rows go to."""

import itertools

import pytest

from tests.faults.loads import assert_ended, assert_no_second_try, failed_chunks, ticket_file
from tests.faults.matrix import Kind
from tests.support.cloud import Cloud
from tests.support.load_assertions import assert_accounted
from tests.support.wire import Call, hand_back, lose_reply, names, refuse


def batches(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.operation == "BatchWriteItem"]


def test_unprocessed_items(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("unprocessed")
    with cloud.wire.fault("BatchWriteItem", hand_back(4), times=9) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) == 9
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_throughput_exceeded(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("throttled")
    every_other = itertools.cycle([True, False])
    refused = refuse("ProvisionedThroughputExceededException")
    with cloud.wire.fault("BatchWriteItem", refused, where=lambda call: next(every_other)) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) >= 5, "one of each chunk"
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


@pytest.mark.exhaustive
def test_write_reply_lost(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("reply-lost")
    with cloud.wire.fault("BatchWriteItem", lose_reply, times=3) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) == 3
    sent = [call.json for call in batches(cloud.wire.calls)]
    for call in fault.fired:
        assert sent.count(call.json) >= 2, "sent again, since nobody knew that it had landed"
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_server_errors(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("server-errors")
    error = refuse("InternalServerError", 500)
    with cloud.wire.fault("BatchWriteItem", error, times=3) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) == 3
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_table_missing(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("no-table")
    given = cloud.upload(file)
    cloud.dynamodb.delete_table(TableName=cloud.table)
    ended = cloud.run(given)
    assert_ended(ended, kind)
    assert cloud.chunk_entries(ended.data["load_id"]) == []
    assert batches(cloud.wire.calls) == []

    cloud.create_table(cloud.table, "ticket_id", "product")
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


@pytest.mark.exhaustive
def test_one_chunk_fails_for_ever(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("one-chunk")
    given = cloud.upload(file)
    ticket = names("one-chunk-000009")
    with cloud.wire.fault("BatchWriteItem", refuse("AccessDeniedException"), where=ticket) as fault:
        ended = cloud.run(given)
    assert len(fault.fired) == 6, "every try of the chunk"
    assert_ended(ended, kind)
    assert list(failed_chunks(ended)) == [2]
    assert "AccessDeniedException" in failed_chunks(ended)[2]
    load_id = ended.data["load_id"]
    assert_accounted(cloud, load_id, file)
    finished = cloud.chunk_entries(load_id)
    assert [entry["index"] for entry in finished] == [0, 1, 3, 4]

    cloud.wire.expect()
    replayed = cloud.run(given, "first-r1")
    report = cloud.assert_loaded(replayed, file)
    [chunk] = [one for one in cloud.chunk_entries(load_id) if one["index"] == 2]
    put = [
        item
        for call in batches(cloud.wire.calls)
        for item in call.json["RequestItems"][cloud.table]
    ]
    assert len(put) == chunk["rows_written"], "not a row of a finished chunk is written again"
    assert [one for one in cloud.chunk_entries(load_id) if one["index"] != 2] == finished
    assert [arn.rpartition(":")[2] for arn in report["executions"]] == ["first", "first-r1"]


def test_every_chunk_fails(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("denied")
    given = cloud.upload(file)
    in_the_first_chunk = names("denied-s01")
    with cloud.wire.fault(
        "BatchWriteItem",
        refuse("AccessDeniedException"),
        where=lambda call: not in_the_first_chunk(call),
    ) as fault:
        ended = cloud.run(given)
    assert len(fault.fired) >= 4 * 6, "every try of four chunks"
    assert_ended(ended, kind)
    assert list(failed_chunks(ended)) == [1, 2, 3, 4]
    assert_accounted(cloud, ended.data["load_id"], file)
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)
