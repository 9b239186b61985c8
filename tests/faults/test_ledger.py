"""Faults of the ledger and of the work bucket."""

from contextlib import ExitStack

import pytest

from tests.faults.matrix import Kind
from tests.support.burst import Burst
from tests.support.cloud import forget_clients
from tests.support.load_assertions import assert_accounted
from tests.support.tasks import (
    LEDGER,
    TABLE,
    UPLOADS,
    WORK,
    Tasks,
    assert_ended,
    assert_no_second_try,
    ticket_file,
)
from tests.support.ticket_files import TicketFile
from tests.support.wire import is_chunk_entry, lose_reply, refuse

PUT_DENIED = {
    "service": "s3",
    "operation": "PutObject",
    "resource": WORK,
    "error": {"code": "AccessDenied", "status": 403},
}


def is_of_chunk(index: int) -> bytes:
    return f'"chunk#{index:06d}"'.encode()


def test_ledger_write_refused_once(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("refused-once")
    with tasks.wire.fault(
        "PutItem", refuse("AccessDeniedException"), where=is_chunk_entry, times=1
    ):
        ended = tasks.run(tasks.upload(file))
    sent = [call.body for call in tasks.wire.calls if call.operation == "BatchWriteItem"]
    assert len(sent) > len(set(sent)), "a chunk's batches are sent again"
    assert_ended(ended, kind)
    tasks.assert_loaded(ended, file)


def test_ledger_write_refused(kind: Kind, tasks: Tasks) -> None:
    """Rows get into the table, and nothing of it into the ledger."""
    file = ticket_file("no-ledger")
    given = tasks.upload(file)
    denied = refuse("AccessDeniedException")
    with ExitStack() as faults:

        def refuse_from_now_on() -> None:
            faults.enter_context(tasks.wire.fault("PutItem", denied, where=is_chunk_entry))
            faults.enter_context(tasks.wire.fault("UpdateItem", denied))

        ended = tasks.run(given, before={"write_chunk": refuse_from_now_on})
    assert_ended(ended, kind)
    load_id = ended.state["load_id"]
    assert tasks.chunk_entries(load_id) == []
    assert tasks.ledger(load_id)["load"]["status"] == "RUNNING", "nobody could say otherwise"
    assert_accounted(tasks, load_id, file)
    assert tasks.items(file.name) == file.expected().items, "written, though not recorded"
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)


def test_ledger_reply_lost(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("entry-unheard")
    with tasks.wire.fault("PutItem", lose_reply, where=is_chunk_entry, times=2) as fault:
        ended = tasks.run(tasks.upload(file))
    assert len(fault.fired) == 2
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_refused_rows_refused(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("no-refused")
    given = tasks.upload(file)
    with ExitStack() as faults:
        ended = tasks.run(
            given,
            before={
                "write_chunk": lambda: faults.enter_context(burst.fault(tasks.wire, **PUT_DENIED)),
                "reconcile": faults.close,
            },
        )
    assert_ended(ended, kind)
    load_id = ended.state["load_id"]
    failed = ended.state["failed_chunks"]
    assert len(failed) == 2, "the one with the superseded row, and the one with the refused row"
    assert all("AccessDenied" in why for why in failed.values())
    assert_accounted(tasks, load_id, file)
    finished = tasks.chunk_entries(load_id)
    assert {entry["index"] for entry in finished} == {0, 1, 2, 3, 4} - failed.keys()
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)


def test_plan_refused(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("no-plan")
    given = tasks.upload(file)
    with burst.fault(tasks.wire, **PUT_DENIED):
        ended = tasks.run(given)
    assert_ended(ended, kind)
    assert tasks.items(file.name) == {}
    assert_accounted(tasks, ended.state["load_id"], file)
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)


def test_report_refused(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = TicketFile("no-report").rows(60)  # with bad rows their file would fail before
    given = tasks.upload(file)
    with ExitStack() as faults:
        deed = lambda: faults.enter_context(burst.fault(tasks.wire, **PUT_DENIED))  # noqa: E731
        ended = tasks.run(given, before={"reconcile": deed})
    assert_ended(ended, kind)
    assert_accounted(tasks, ended.state["load_id"], file)
    assert tasks.items(file.name) == file.expected().items
    tasks.wire.calls.clear()
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)
    assert tasks.wire.count("BatchWriteItem") == 0, "every chunk is finished"


def test_chunk_entry_missing(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("entry-gone")
    given = tasks.upload(file)

    def forget() -> None:
        [load_id] = {
            entry["load_id"] for entry in tasks._scan(LEDGER) if entry["entry"] == "chunk#000003"
        }
        key = {"load_id": {"S": load_id}, "entry": {"S": "chunk#000003"}}
        tasks.dynamodb.delete_item(TableName=LEDGER, Key=key)

    ended = tasks.run(given, before={"reconcile": forget})
    assert_ended(ended, kind)
    load_id = ended.state["load_id"]
    assert_accounted(tasks, load_id, file)
    assert [entry["index"] for entry in tasks.chunk_entries(load_id)] == [0, 1, 2, 4]

    tasks.wire.calls.clear()
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)
    chunk = next(one for one in tasks.chunk_entries(load_id) if one["index"] == 3)
    put = [
        item
        for call in tasks.wire.calls
        if call.operation == "BatchWriteItem"
        for item in call.json["RequestItems"][TABLE]
    ]
    assert len(put) == chunk["rows_written"], "not a row of another chunk is written again"


def test_plan_expired(kind: Kind, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ticket_file("expired")
    given = tasks.upload(file)
    with tasks.wire.fault(
        "PutItem", refuse("AccessDeniedException"), where=lambda call: is_of_chunk(2) in call.body
    ):
        ended = tasks.run(given)
    assert_ended(ended, kind)
    assert_accounted(tasks, ended.state["load_id"], file)
    plan, chunks = ended.state["plan"], tasks.plan(ended.state)

    tasks.s3.delete_object(Bucket=plan["bucket"], Key=plan["key"])
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "100000")
    forget_clients()
    replayed = tasks.run(given, "first-r1")
    assert replayed.state["plan"] == plan
    assert tasks.plan(replayed.state) == chunks, "cut at the size that the ledger has"
    tasks.assert_loaded(replayed, file)
    assert tasks.s3.list_objects_v2(Bucket=UPLOADS)["KeyCount"] == 1
