"""Faults of the ledger and of the work bucket."""

from contextlib import ExitStack
from functools import partial

import pytest

from tests.faults.loads import (
    assert_ended,
    assert_no_second_try,
    failed_chunks,
    ticket_file,
)
from tests.faults.matrix import Kind
from tests.support.cloud import Cloud, chunk_entry, forget_clients
from tests.support.load_assertions import assert_accounted
from tests.support.ticket_files import TicketFile
from tests.support.wire import is_chunk_entry, lose_reply, names, refuse

PUTS_DENIED = ("PutObject", refuse("AccessDenied", 403))


@pytest.mark.exhaustive
def test_ledger_write_refused_once(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("refused-once")
    with cloud.wire.fault(
        "PutItem", refuse("AccessDeniedException"), where=is_chunk_entry, times=1
    ):
        ended = cloud.run(cloud.upload(file))
    sent = [call.body for call in cloud.wire.calls if call.operation == "BatchWriteItem"]
    assert len(sent) > len(set(sent)), "a chunk's batches are sent again"
    assert_ended(ended, kind)
    cloud.assert_loaded(ended, file)


def test_ledger_write_refused(kind: Kind, cloud: Cloud) -> None:
    """Rows get into the table, and the ledger records nothing."""
    file = ticket_file("no-ledger")
    given = cloud.upload(file)
    denied = refuse("AccessDeniedException")
    with ExitStack() as faults:

        def refuse_from_now_on() -> None:
            faults.enter_context(cloud.wire.fault("PutItem", denied, where=is_chunk_entry))
            faults.enter_context(cloud.wire.fault("UpdateItem", denied))

        ended = cloud.run(given, before={"write_chunk": refuse_from_now_on})
    assert_ended(ended, kind)
    load_id = ended.data["load_id"]
    assert cloud.chunk_entries(load_id) == []
    assert cloud.ledger(load_id)["load"]["status"] == "RUNNING", "nobody could say otherwise"
    assert_accounted(cloud, load_id, file)
    assert cloud.items_of(file.name) == file.expected().items, "written, though not recorded"
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


def test_ledger_reply_lost(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("entry-unheard")
    with cloud.wire.fault("PutItem", lose_reply, where=is_chunk_entry, times=2) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) == 2
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_refused_rows_refused(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("no-refused")
    given = cloud.upload(file)
    with ExitStack() as faults:
        ended = cloud.run(
            given,
            before={
                "write_chunk": lambda: faults.enter_context(
                    cloud.wire.fault(*PUTS_DENIED, where=lambda call: "/refused-rows/" in call.path)
                ),
                "reconcile": faults.close,
            },
        )
    assert_ended(ended, kind)
    load_id = ended.data["load_id"]
    failed = failed_chunks(ended)
    assert len(failed) == 2, "the one with the superseded row, and the one with the refused row"
    assert all("AccessDenied" in why for why in failed.values())
    assert_accounted(cloud, load_id, file)
    finished = cloud.chunk_entries(load_id)
    assert {entry["index"] for entry in finished} == {0, 1, 2, 3, 4} - failed.keys()
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


def test_plan_refused(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("no-plan")
    given = cloud.upload(file)
    with cloud.wire.fault(*PUTS_DENIED):
        ended = cloud.run(given)
    assert_ended(ended, kind)
    assert list(ended.data["failed"]) == ["split_file"]
    assert cloud.items_of(file.name) == {}
    assert_accounted(cloud, ended.data["load_id"], file)
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


def test_report_refused(kind: Kind, cloud: Cloud) -> None:
    file = TicketFile("no-report").rows(60)  # with bad rows their file would fail before
    given = cloud.upload(file)
    with ExitStack() as faults:
        deny = partial(faults.enter_context, cloud.wire.fault(*PUTS_DENIED))
        ended = cloud.run(given, before={"reconcile": deny})
    assert_ended(ended, kind)
    assert list(ended.data["failed"]) == ["reconcile"]
    assert_accounted(cloud, ended.data["load_id"], file)
    assert cloud.items_of(file.name) == file.expected().items
    cloud.wire.expect()
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)
    assert "BatchWriteItem" not in cloud.wire.operations, "every chunk is finished"


def test_chunk_entry_missing(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("entry-gone")
    given = cloud.upload(file)

    def forget() -> None:
        [load_id] = {
            entry["load_id"]
            for entry in cloud.items(cloud.ledger_table)
            if entry["entry"] == chunk_entry(3)
        }
        key = {"load_id": {"S": load_id}, "entry": {"S": chunk_entry(3)}}
        cloud.dynamodb.delete_item(TableName=cloud.ledger_table, Key=key)

    ended = cloud.run(given, before={"reconcile": forget})
    assert_ended(ended, kind)
    load_id = ended.data["load_id"]
    assert_accounted(cloud, load_id, file)
    assert [entry["index"] for entry in cloud.chunk_entries(load_id)] == [0, 1, 2, 4]

    cloud.wire.expect()
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)
    chunk = next(one for one in cloud.chunk_entries(load_id) if one["index"] == 3)
    put = [
        item
        for call in cloud.wire.calls
        if call.operation == "BatchWriteItem"
        for item in call.json["RequestItems"][cloud.table]
    ]
    assert len(put) == chunk["rows_written"], "not a row of another chunk is written again"


@pytest.mark.exhaustive
def test_plan_expired(kind: Kind, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ticket_file("expired")
    given = cloud.upload(file)
    with cloud.wire.fault("PutItem", refuse("AccessDeniedException"), where=names(chunk_entry(2))):
        ended = cloud.run(given)
    assert_ended(ended, kind)
    assert_accounted(cloud, ended.data["load_id"], file)
    plan, chunks = ended.data["plan"], cloud.chunks(ended.data)

    cloud.s3.delete_object(Bucket=plan["bucket"], Key=plan["key"])
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "100000")
    forget_clients()
    replayed = cloud.run(given, "first-r1")
    assert replayed.data["plan"] == plan
    assert cloud.chunks(replayed.data) == chunks, "cut at the size that the ledger has"
    cloud.assert_loaded(replayed, file)
    assert cloud.s3.list_objects_v2(Bucket=cloud.uploads)["KeyCount"] == 1
