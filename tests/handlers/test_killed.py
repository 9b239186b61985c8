"""A handler that is killed after any one of its calls, and called again, leaves what an undisturbed
one leaves: table, ledger, refused rows, plan, report, executions and answer.

The handlers run in processes of their own and are killed (SIGKILL) when moto has carried a call out
and has not answered, or when it has not carried it out. The calls of each are written down by hand
below, so that no test passes because nothing was there to kill.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingestion.ledger.versions import LEASE_MARGIN_SECONDS
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.cloud import EVENTS, OF_THE_EXECUTION, Cloud, empty_again, forget_clients
from tests.support.handler_process import HandlerProcess
from tests.support.one_key import HEADER, KEY
from tests.support.state_machine import EXECUTIONS
from tests.support.wire import Call, Reply, Wire

pytestmark = pytest.mark.timeout(300)

TIMES = {
    *("started_at", "finished_at", "updated_at", "planned_at", "reconciled_at"),
    *("rounds", "rows_per_second", "throttles", "alone_since"),
    "digest_key",  # a random one
}
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
    """A handler's call. ``prepare`` brings the cloud to where it is due and returns the event."""

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
    return {"execution_arn": EXECUTIONS + "first", "input": request}


def good_file(cloud: Cloud) -> Any:
    return to_validate(upload(cloud, FILE))


def bad_file(cloud: Cloud) -> Any:
    return to_validate(upload(cloud, b"ticket_id,product\n"))


def same_bytes_again(cloud: Cloud) -> Any:
    cloud.load(upload(cloud, FILE))
    return to_validate(upload(cloud, FILE, "v2"))


def accepted(cloud: Cloud, body: Any = FILE, version: str = "v1") -> Any:
    state = cloud.validate(upload(cloud, body, version))
    return {name: state[name] for name in ("load_id", "file")}


def packed(cloud: Cloud) -> Any:
    return accepted(cloud, gzip.compress(FILE, mtime=0))


def packed_and_large(cloud: Cloud) -> Any:
    """Unpacked it has 13 MB, of which the SDK makes two parts."""
    return accepted(cloud, gzip.compress(HEADER + b"".join(map(row, range(1000))) * 250, mtime=0))


def planned(cloud: Cloud, *arguments: Any) -> dict[str, Any]:
    state = accepted(cloud, *arguments)
    return {**state, "plan": cloud.call("split_file", state)}


def first_turn(cloud: Cloud) -> Any:
    return planned(cloud)


def later_version(cloud: Cloud) -> Any:
    assert cloud.take_turn(planned(cloud)) == "mine"
    return planned(cloud, HEADER + row(1), "v2")


def overtaken(cloud: Cloud) -> Any:
    state = planned(cloud)
    assert cloud.take_turn(planned(cloud, HEADER + row(1), "v2")) == "mine"
    return state


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


# ---------------------------------------------------------------- What each handler calls

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
        ["HeadObject", "GetObject", "DescribeTable", "GetItem", "GetItem", "UpdateItem"],
        {"verdict": "accepted"},
    ),
    "a bad file is refused": Case(
        "validate_file",
        bad_file,
        [
            *["HeadObject", "GetObject", "DescribeTable", "GetItem", "GetItem"],
            *["UpdateItem", "UpdateItem"],
        ],
        {"verdict": "refused"},
    ),
    "the same bytes move the claim": Case(
        "validate_file",
        same_bytes_again,
        [
            *["HeadObject", "GetObject", "DescribeTable", *["GetItem"] * 3],
            *["ListObjectVersions", "PutItem"],
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
        ["GetItem", "PutItem", "Query", "GetItem", "PutItem"],  # since when it writes alone
        {"turn": "mine"},
    ),
    "a later version takes its turn": Case(
        "take_turn",
        later_version,
        ["GetItem", "ListObjectVersions", "PutItem", "Query", "GetItem", "PutItem"],
        {"turn": "mine"},
    ),
    "an older version is overtaken": Case(
        "take_turn",
        overtaken,
        ["GetItem", "ListObjectVersions", "UpdateItem"],
        {"turn": "overtaken"},
    ),
    "a chunk is written in one round": Case(
        "write_chunk",
        one_chunk,
        [
            *[*BEGUN, "GetObject", *["BatchWriteItem"] * 3, "PutObject"],  # refused rows
            *["PutObject", "GetObject", *LISTED, *SAVED],  # digests, and superseded rows
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
            *["PutObject", "GetObject", *LISTED, *SAVED],
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
            *["GetObject"] * 4,  # the plan, and a batch: its contents, two chunks' suspects
            # Each chunk with what is listed of it, the last one first.
            *["GetObject", "GetObject", "BatchWriteItem", "BatchWriteItem"],
            *["GetObject", "GetObject", "BatchWriteItem", "PutObject"],
            *["GetObject", "GetObject", "PutObject"],
            *["PutObject", "PutItem", "DeleteItem"],
        ],
        {"state": "settled", "rows_superseded": 61, "rows_put_again": 60},
        {"CHUNK_SIZE_BYTES": "2400"},
    ),
    "a load is reconciled": Case(
        "reconcile",
        settled,
        [
            *["Query", "DescribeTable", "GetItem", "GetItem"],
            *[*["GetObject"] * 8, "PutObject"],  # rows that are not written: 7 parts
            *["GetItem", "PutObject", "UpdateItem"],  # the report, and the ledger
        ],
        TOTALS | {"complete": True},
        THREE_CHUNKS,
    ),
    "a load that is short of a chunk fails": Case(
        "reconcile",
        short,
        [
            *["Query", "DescribeTable", "GetItem", *["GetObject"] * 4, "PutObject"],
            *["GetItem", "PutObject", "UpdateItem"],
        ],
        {"complete": False, "chunks_finished": 2},
        THREE_CHUNKS,
    ),
}
QUICK = {
    "uploads start executions",
    "a chunk is written in one round",
    "equal keys are settled",
}
SLOW = ("equal keys are settled",)
"""Its preparation takes seconds, so the quick tests have every sixth of its calls."""
NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.exhaustive) for name in CASES
]
SETTINGS = (
    *("LEDGER_TABLE", "WORK_BUCKET", "DYNAMODB_TABLE"),
    *("CHUNK_SIZE_BYTES", "BATCHES_IN_FLIGHT", "MAX_REFUSED_PERCENT"),
    *("MAX_SUPERSEDED_PERCENT", "MAP_CONCURRENCY", "MAX_ROWS_PER_SECOND", "STACK_NAME"),
)


# ---------------------------------------------------------------- Running and killing them


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """The process that forks, started once: its import of boto3 takes a second."""
    process = HandlerProcess(
        {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    )
    yield process
    process.close()


class Rig:
    """One case on an empty cloud."""

    seconds = 900.0  # that a function has, unless the case says otherwise

    def __init__(
        self, case: Any, wire: Any, processes: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.case, self.wire, self._processes = case, wire, processes
        for name, value in case.environment.items():
            monkeypatch.setenv(name, value)
        forget_clients()
        self.cloud = empty_again()
        self._environment = {name: os.environ[name] for name in SETTINGS} | {
            "AWS_ENDPOINT_URL": wire.url,
            "STATE_MACHINE_ARN": self.cloud.state_machine_arn,
        }
        self.event = case.prepare(self.cloud)

    def call(self, handler: Any, event: Any, **options: Any) -> Any:
        options = {"environment": self._environment, "seconds": self.seconds, **options}
        event = OF_THE_EXECUTION | event if "load_id" in event else event
        return self._processes.call(handler, event, **options)

    def call_once(self) -> Any:
        return self.call(self.case.handler, self.event, **self.case.options)

    def finish(self) -> Any:
        """Call the handler until it has finished, as the state machine does; its last answer,
        apart from times."""
        self.wire.expect()
        for _ in range(self.case.rounds):
            answer = self.call_once()
            if answer.get("finished") is not False:
                return without_times(answer)
        raise AssertionError("it does not finish")

    def kill_at(self, number: Any, landed: Any) -> None:
        """Call the handler, and kill it at its call ``number``, counted over all rounds. Whatever
        else it has under way has landed, or never will."""
        killed: list[str] = []

        def action(call: Call) -> Reply:
            if killed:
                raise ConnectionError
            if call.number < number:
                return call.forward()
            killed.append(call.operation)
            if landed:
                call.forward()
            self._processes.kill()
            raise ConnectionError

        self.wire.expect(action)
        answers: list[Any] = []
        while None not in answers and len(answers) < self.case.rounds:
            answers.append(self.call_once())
        assert answers[-1] is None, f"it made only {self.wire.operations}"

    def left(self) -> dict[str, Any]:
        """All that can be seen afterwards, apart from times and from the leases of the dead."""
        objects = {}
        for one in self.cloud.s3.list_objects_v2(Bucket=self.cloud.work).get("Contents", []):
            body: Any = self.cloud.read(self.cloud.work, one["Key"])
            key = one["Key"]
            if key.startswith("digests/"):
                body = len(body)  # they are made with a random key
            objects[key] = without_times(json.loads(body)) if key.startswith("reports/") else body
        return {
            "table": {item["ticket_id"]: item for item in self.cloud.items()},
            "ledger": {
                (entry["load_id"], entry["entry"]): without_times(entry)
                for entry in self.cloud.items(self.cloud.ledger_table)
                if not entry["entry"].startswith("writer#")
            },
            "objects": objects,
            "executions": self.cloud.executions(),
        }


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(inner) for name, inner in value.items() if name not in TIMES}
    return value


@pytest.fixture(scope="module")
def wire(moto_url: str) -> Iterator[Any]:
    with Wire.before(moto_url) as wire:
        yield wire


@pytest.fixture
def rig(cloud: Cloud, wire: Wire, processes: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a case due, each time on an empty cloud."""

    def make(name: Any) -> Any:
        return Rig(CASES[name], wire, processes, monkeypatch)

    return make


UNDISTURBED: dict[str, Any] = {}


@pytest.fixture
def undisturbed(rig: Any) -> Any:
    """What a case answers and leaves if nothing happens: every run starts from the same objects,
    versions and names, so it is found out once."""

    def find_out(name: Any) -> Any:
        if name not in UNDISTURBED:
            due = rig(name)
            answer = due.finish()
            UNDISTURBED[name] = answer, due.left()
        return UNDISTURBED[name]

    return find_out


@pytest.mark.parametrize("name", NAMES)
def test_undisturbed_it_makes_these_calls(rig: Any, name: Any) -> None:
    due = rig(name)
    answer = due.finish()
    assert sorted(due.wire.operations) == sorted(due.case.calls)
    assert {name: answer[name] for name in due.case.answer} == due.case.answer


@pytest.mark.parametrize("name", NAMES)
def test_called_twice(rig: Any, undisturbed: Any, name: Any) -> None:
    answer, left = undisturbed(name)
    due = rig(name)
    assert [due.finish(), due.finish()] == [answer] * 2
    assert due.left() == left


@pytest.mark.parametrize(
    ("name", "number", "landed"),
    [
        pytest.param(name, number, landed, marks=() if is_quick else pytest.mark.exhaustive)
        for name, case in CASES.items()
        for number in range(1, len(case.calls) + 1)
        for landed in (True, False)
        for is_quick in [landed and name in QUICK and (name not in SLOW or number % 6 == 1)]
    ],
)
def test_killed_at_a_call_and_called_again(
    rig: Any, undisturbed: Any, name: Any, number: Any, landed: Any
) -> None:
    answer, left = undisturbed(name)
    due = rig(name)
    due.kill_at(number, landed)
    assert due.finish() == answer
    assert due.left() == left


def test_behind_a_killed_writer_all_others_wait_until_its_lease_has_run_out(rig: Any) -> None:
    """The killed one's last batch may be on its way until then."""
    due = rig("a chunk is written in one round")
    own = {name: due.event[name] for name in ("load_id", "file")}
    later = planned(due.cloud, HEADER + row(1), "v2")
    due.kill_at(due.case.calls.index("BatchWriteItem") + 1, landed=True)
    due.wire.expect()
    lease = due.seconds + LEASE_MARGIN_SECONDS

    def turn(load: Any, after: float = 0.0) -> Any:
        return due.call("take_turn", load, later=after)["turn"]

    for load in (own, later):  # a replay, and a later version
        turns = [turn(load), turn(load, lease - 60), turn(load, lease + 1)]
        assert turns == ["wait", "wait", "mine"]
