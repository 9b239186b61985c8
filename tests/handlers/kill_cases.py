"""The cases of test_killed.py: how each call is prepared, the requests that it sends to AWS, and a
part of its answer."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingestion.ledger.slots import TAKEN, Slots, Waiter
from ingestion.sources.catalogue import Sources
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.cloud import EVENTS, NOT_WAITED, OF_THE_EXECUTION, WORK, Cloud, forget_clients
from tests.support.ended_executions import add_run
from tests.support.one_key import HEADER, KEY
from tests.support.sources import tickets_with
from tests.support.state_machine import EXECUTIONS, payload_of

ONE_CHUNK = "1000000"


def row(at: Any, product: str = "Tea", quantity: Any = None) -> bytes:
    return f"T{at:03d},{product},B1,2025-11-23T08:00:00Z,Drinks,{quantity or at},Lyon\n".encode()


def good_and_bad_rows(count: Any) -> Any:
    """Every seventh key comes twice, every eleventh row is bad."""
    rows = b""
    for at in range(count):
        if at % 7 == 6:
            rows += row(at - 5, quantity="99")
        if at % 11 == 10:
            rows += row(at, quantity="some")
        rows += row(at)
    return HEADER + rows


FILE = good_and_bad_rows(60)  # 73 rows: 60 keys, 8 superseded, 5 refused
TWICE = FILE + good_and_bad_rows(60).removeprefix(HEADER)  # the same keys in other chunks


@dataclass(frozen=True)
class Case:
    """A handler's call. `prepare` brings the cloud to where it is due and returns the event."""

    handler: str
    prepare: Callable[[Any], Any]
    calls: list[str]
    """All that the handler asks of AWS, in all its rounds; the order of concurrent ones is free."""
    answer: dict[str, Any]
    """Some of what it answers."""
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rounds: int = 1


# ---------------------------------------------------------------- What is due


def two_uploads(cloud: Cloud) -> Any:
    text = (EVENTS / "start_execution" / "broken_record_between_good_ones.json").read_text()
    event = json.loads(text)
    del event["Records"][1]
    return event


def upload(cloud: Cloud, body: Any, version: str = "v1") -> Any:
    return cloud.put(body, KEY, version_id=version)


def to_validate(request: Any) -> dict[str, Any]:
    started_at = OF_THE_EXECUTION["started_at"]
    return {"execution_arn": EXECUTIONS + "first", "started_at": started_at, "input": request}


def good_file(cloud: Cloud) -> Any:
    return to_validate(upload(cloud, FILE))


def bad_file(cloud: Cloud) -> Any:
    return to_validate(upload(cloud, b"ticket_id,product\n"))


def same_bytes_again(cloud: Cloud) -> Any:
    cloud.load(upload(cloud, FILE))
    return to_validate(upload(cloud, FILE, "v2"))


def accepted(cloud: Cloud, body: Any = FILE, version: str = "v1") -> Any:
    state = cloud.accept(upload(cloud, body, version))
    return {name: state[name] for name in ("load_id", "file")}


def packed(cloud: Cloud) -> Any:
    return accepted(cloud, gzip.compress(FILE, mtime=0))


def packed_and_large(cloud: Cloud) -> Any:
    """A file with 13 MB when unpacked, which the SDK uploads in two parts."""
    return accepted(cloud, gzip.compress(HEADER + b"".join(map(row, range(1000))) * 250, mtime=0))


def planned(cloud: Cloud, *arguments: Any) -> dict[str, Any]:
    state = accepted(cloud, *arguments)
    return {**state, "turn": NOT_WAITED, "plan": cloud.call("split_file", state)}


def first_turn(cloud: Cloud) -> Any:
    return payload_of("take_turn", planned(cloud))


def later_version(cloud: Cloud) -> Any:
    """Its slot is held by an execution that has ended."""
    assert cloud.take_turn(planned(cloud)) == "mine"
    return payload_of("take_turn", planned(cloud, HEADER + row(1), "v2"), name="later")


def overtaken(cloud: Cloud) -> Any:
    state = planned(cloud)
    assert cloud.take_turn(planned(cloud, HEADER + row(1), "v2")) == "mine"
    return payload_of("take_turn", state, name="earlier")


def no_slot(cloud: Cloud) -> Any:
    """The only slot is held by a running execution, which loads another object."""
    running = cloud.step_functions.start_execution(
        stateMachineArn=cloud.state_machine_arn, name="running"
    )
    slots = Slots(cloud.dynamodb, cloud.ledger_table)
    assert slots.take(Waiter(running["executionArn"], ""), 1, lambda arn: True) == TAKEN
    return first_turn(cloud)


def one_chunk(cloud: Cloud) -> dict[str, Any]:
    state = planned(cloud)
    assert cloud.take_turn(state) == "mine"
    [chunk] = json.loads(cloud.read(state["plan"]["bucket"], state["plan"]["key"]))
    return cloud.chunk_task(state, chunk)


def finished_chunk(cloud: Cloud) -> Any:
    event = one_chunk(cloud)
    cloud.call("write_chunk", event)
    return event


def written(cloud: Cloud, body: Any = FILE, without: Any = ()) -> Any:
    state, chunks = cloud.plan(upload(cloud, body))
    assert len(chunks) == 3
    assert cloud.take_turn(state) == "mine"
    for chunk in chunks:
        if chunk["index"] not in without:
            assert cloud.write(state, chunk)["finished"]
    return {name: state[name] for name in ("load_id", "file", "plan")}


def short(cloud: Cloud) -> Any:
    return written(cloud, without=[2])


def distinct(cloud: Cloud) -> Any:
    return written(cloud, HEADER + b"".join(map(row, range(55))))


def settled(cloud: Cloud) -> Any:
    event = written(cloud)
    assert cloud.call("settle_equal_keys", event)["state"] == "settled"
    return event


def repeated(cloud: Cloud) -> Any:
    """Chunks that were written within the time by which clocks may differ, so that rows are put
    again."""
    return written(cloud, TWICE)


def to_add_up(cloud: Cloud) -> Any:
    """The same rows, for a source that adds them up."""
    sources = Sources(tickets_with(equalKeys="sum"), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
        forget_clients()
        event = written(cloud, TWICE)
    forget_clients()
    return event


def ended(cloud: Cloud) -> Any:
    """The event that announces the end of an execution."""
    add_run(cloud, cloud.run(upload(cloud, FILE), "by-hand"))
    return json.loads((EVENTS / "write_report_page" / "succeeded.json").read_text())


# ---------------------------------------------------------------- What each handler calls

ATTEMPT = ["PutItem", "UpdateItem"]  # since when attempts are recorded, and this one
CLAIM = ["GetItem", "PutItem", "Query"]  # the claim, and the leases of other writers
SLOT = ["Query", "Query"]  # the line, and the slots
ALONE = ["GetItem", "PutItem"]  # since when it writes alone
LEASE = ["PutItem", "GetItem"]  # take it, look whether somebody has claimed the object since
BEGUN = [*LEASE, "GetItem", "DescribeTable"]  # how far is the chunk?
SAVED = ["DescribeTable", "PutItem", "DeleteItem"]  # is the table the same? then save the chunk
LISTED = ["GetObject", "PutObject"]  # a part of rows that are not written
TOTALS = {"rows_read": 73, "rows_written": 60, "rows_superseded": 8, "rows_refused": 5}
WRITTEN = TOTALS | {"finished": True, "overtaken": False}
THREE_CHUNKS = {"CHUNK_SIZE_BYTES": "1200"}  # one key is in two of them, each has refused rows

CASES = {
    "uploads start executions": Case(
        "start_execution", two_uploads, ["StartExecution"] * 2, {"batchItemFailures": []}
    ),
    "a good file is accepted": Case(
        "validate_file",
        good_file,
        [
            *["HeadObject", "GetObject", "DescribeTable", "GetItem", "GetItem"],
            *[*ATTEMPT, "UpdateItem"],  # the load
        ],
        {"verdict": "accepted"},
    ),
    "a small file is planned and claimed": Case(
        "validate_file",
        good_file,
        [
            *["HeadObject", "GetObject", "DescribeTable", "GetItem", "GetItem"],
            *[*ATTEMPT, "UpdateItem", "UpdateItem"],  # the plan, and the load
            *["GetItem", "PutItem", "Query"],  # claim, and leases
            *ALONE,
        ],
        {"verdict": "accepted"},
        {"CHUNK_SIZE_BYTES": ONE_CHUNK},
    ),
    "a bad file is refused": Case(
        "validate_file",
        bad_file,
        [
            *["HeadObject", "GetObject", "DescribeTable", "GetItem", "GetItem"],
            *[*ATTEMPT, *["UpdateItem"] * 3],  # the load, and the end of both
        ],
        {"verdict": "refused"},
    ),
    "the same bytes move the claim": Case(
        "validate_file",
        same_bytes_again,
        [
            *["HeadObject", "GetObject", "DescribeTable", *["GetItem"] * 3],
            *["ListObjectVersions", "PutItem"],
            *[*ATTEMPT, "UpdateItem"],  # its end
        ],
        {"verdict": "already_loaded"},
    ),
    "a file is planned": Case(
        "split_file",
        accepted,
        [
            *["UpdateItem", "GetObject", "GetObject"],  # around both boundaries
            *["PutObject", "UpdateItem", "UpdateItem"],  # the plan: of the generation, of the load
        ],
        {"chunks": 3},
        THREE_CHUNKS,
    ),
    "a packed file is unpacked": Case(
        "split_file",
        packed,
        ["UpdateItem", "GetObject", "PutObject", "PutObject", "UpdateItem", "UpdateItem"],
        {"chunks": 1},
    ),
    "a large packed file is unpacked in parts": Case(
        "split_file",
        packed_and_large,
        [
            *["UpdateItem", "GetObject", "CreateMultipartUpload", "UploadPart", "UploadPart"],
            *["CompleteMultipartUpload", "PutObject", "UpdateItem", "UpdateItem"],
        ],
        {"chunks": 13},
        {"CHUNK_SIZE_BYTES": "1000000"},
    ),
    "the first version takes its turn": Case(
        "take_turn",
        first_turn,
        [*CLAIM, *SLOT, "PutItem", *["GetItem", "Query"], *ALONE],
        {"turn": "mine"},
    ),
    "a later version takes its turn": Case(
        "take_turn",
        later_version,
        [
            *["ListObjectVersions", *CLAIM, *SLOT, "DescribeExecution", "PutItem"],
            *["GetItem", "Query", *ALONE],
        ],
        {"turn": "mine"},
    ),
    "a load waits for a slot": Case(
        "take_turn",
        no_slot,
        [*CLAIM, *SLOT, "DescribeExecution", "PutItem"],  # its place in the line
        {"turn": "wait", "waits_for": "slot"},
    ),
    "an older version is overtaken": Case(
        "take_turn",
        overtaken,
        ["GetItem", "ListObjectVersions", "DeleteItem", "UpdateItem", "UpdateItem"],
        {"turn": "overtaken"},
    ),
    "a chunk is written in one round": Case(
        "write_chunk",
        one_chunk,
        [
            *[*BEGUN, "GetObject", *["BatchWriteItem"] * 3, "PutObject"],  # refused rows
            *["PutObject", *LISTED, *SAVED],  # digests, and superseded rows
        ],
        WRITTEN,
        {"CHUNK_SIZE_BYTES": ONE_CHUNK},
    ),
    "a chunk is written in three rounds": Case(
        "write_chunk",
        one_chunk,
        [
            # Before each batch it looks again whether somebody has claimed the object.
            *[*BEGUN, "GetObject", "GetItem", "BatchWriteItem", "PutObject", *SAVED],
            # A later round reads what is before its checkpoint once more, for the keys.
            *[*BEGUN, "GetObject", "GetObject", "GetItem", "BatchWriteItem", *LISTED, *SAVED],
            *[*BEGUN, "GetObject", "GetObject", "GetItem", "BatchWriteItem", *LISTED],
            *["PutObject", *LISTED, *SAVED],
        ],
        WRITTEN,
        {"CHUNK_SIZE_BYTES": ONE_CHUNK, "BATCHES_IN_FLIGHT": "1"},
        {"tick": 12.0, "seconds": CHECKPOINT_SECONDS + 35},
        rounds=3,
    ),
    "a finished chunk is answered": Case(
        "write_chunk",
        finished_chunk,
        ["PutItem", "GetItem", "DeleteItem"],
        WRITTEN,
        {"CHUNK_SIZE_BYTES": ONE_CHUNK},
    ),
    "equal keys have to be settled first": Case(
        "reconcile",
        written,
        ["Query", "DescribeTable", "GetItem", "GetItem"],
        {"equal_keys": "unsettled"},
        THREE_CHUNKS,
    ),
    "there are no equal keys to settle": Case(
        "settle_equal_keys",
        distinct,
        [
            *[*LEASE, "Query", "GetItem", "DescribeTable"],  # the chunks, and how far it is
            *["GetItem", "Query", *["GetObject"] * 3],  # the claim, the leases, the digests
            *["PutItem", "DeleteItem"],
        ],
        {"state": "settled", "rows_superseded": 0},
        THREE_CHUNKS,
    ),
    "equal keys are settled": Case(
        "settle_equal_keys",
        repeated,
        [
            *[*LEASE, "Query", "GetItem", "DescribeTable", "GetItem", "Query"],
            *[*["GetObject"] * 3, "PutObject"],  # the digests, and those that several chunks have
            *["GetObject"] * 3,  # the plan, and a batch: its contents, and its suspects
            # Each chunk with what is listed of it, the last one first.
            *["GetObject", "GetObject", "BatchWriteItem", "BatchWriteItem"],
            *["GetObject", "GetObject", "BatchWriteItem", "PutObject"],
            *["GetObject", "GetObject", "PutObject"],
            *["PutObject", "PutItem", "DeleteItem"],
        ],
        {"state": "settled", "rows_superseded": 61, "rows_put_again": 60},
        {"CHUNK_SIZE_BYTES": "2400"},
    ),
    "rows with equal keys are added up": Case(
        "settle_equal_keys",
        to_add_up,
        [
            *[*LEASE, "Query", "GetItem", "DescribeTable", "GetItem", "Query"],
            # The digests of three chunks, those that occur twice in each, and the suspects.
            *[*["GetObject"] * 6, "PutObject"],
            *["GetObject"] * 3,  # the plan, and a batch: its contents, and its suspects
            *["GetObject"] * 3,  # the chunks, to add up
            *["GetObject"] * 2,  # those that have the last row of a key, to put the totals
            *["BatchWriteItem"] * 3,
            *["PutItem", "DeleteItem"],
        ],
        {"state": "settled", "rows_combined": 76, "rows_superseded": 0, "rows_put_again": 60},
        {"CHUNK_SIZE_BYTES": "2400"},
    ),
    "a load is reconciled": Case(
        "reconcile",
        settled,
        [
            *["Query", "DescribeTable", "GetItem", "GetItem"],
            *[*["GetObject"] * 8, "PutObject"],  # rows that are not written: 7 parts
            *["Query", "GetItem", "GetItem", "PutObject"],  # plans, and the report
            *["UpdateItem", "UpdateItem"],  # the execution, and the load
            *["Query", "DeleteItem"],  # the slot
        ],
        TOTALS | {"complete": True},
        THREE_CHUNKS,
    ),
    "a report page is written": Case(
        "write_report_page",
        ended,
        [
            *["DescribeExecution", "DescribeExecution", "GetExecutionHistory"],
            *["GetItem", "Query", "BatchGetItem", "Query"],  # load, chunks, executions, actions
            *["GetObject", "GetObject"],  # the report, and the rows that are not written
            *["PutObject", "PutObject", "DescribeExecution"],  # history and page; the same end?
        ],
        {"page": f"s3://{WORK}/reports/by-hand.html"},
        THREE_CHUNKS,
    ),
    "a load that is short of a chunk fails": Case(
        "reconcile",
        short,
        [
            # The errors of unfinished chunks are the second query.
            *["Query", "DescribeTable", "GetItem", "Query", *["GetObject"] * 4, "PutObject"],
            *["Query", "GetItem", "GetItem", "PutObject", "UpdateItem", "UpdateItem"],
            *["Query", "DeleteItem"],
        ],
        {"complete": False, "chunks_finished": 2},
        THREE_CHUNKS,
    ),
}
