"""A handler that is killed after any one of its calls, and called again, leaves what an undisturbed
one leaves: table, ledger, refused rows, plan, report, executions and answer.

The handlers run in processes of their own and are killed (SIGKILL) when moto has carried a write
out and has not answered. A process that is killed at a read, or before its next write, leaves the
same. Only where several writes are under way at once does it matter that one was not carried out.
The calls of each handler are written down by hand in kill_cases.py, so that no test passes because
nothing was there to kill.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.ledger.versions import LEASE_MARGIN_SECONDS
from tests.handlers.kill_cases import CASES, planned, row
from tests.support.cloud import OF_THE_EXECUTION, Cloud, empty_again, forget_clients
from tests.support.handler_process import HandlerProcess
from tests.support.one_key import HEADER
from tests.support.report_pages import kept_page
from tests.support.wire import Call, Reply, Wire

pytestmark = pytest.mark.timeout(300)

TIMES = {
    *("started_at", "finished_at", "stopped_at", "updated_at", "planned_at", "reconciled_at"),
    *("rounds", "rows_per_second", "throttles", "alone_since", "waited_since"),
    "seconds",  # of the next wait, which vary
    "digest_key",  # a random one
}
QUICK = {"uploads start executions", "a chunk is written in one round"}
NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.exhaustive) for name in CASES
]
SETTINGS = (
    *("LEDGER_TABLE", "WORK_BUCKET", "DYNAMODB_TABLE", "UPLOAD_DEAD_LETTER_QUEUE_URL"),
    *("CHUNK_SIZE_BYTES", "BATCHES_IN_FLIGHT", "MAX_REFUSED_PERCENT", "LINEAGE_ATTRIBUTE"),
    *(
        "MAX_SUPERSEDED_PERCENT",
        "MAP_CONCURRENCY",
        "LOADS_AT_A_TIME",
        "MAX_ROWS_PER_SECOND",
        "STACK_NAME",
        "STACK",
    ),
)
READS = ("Describe", "Get", "Head", "List", "Query")
SENT_TOGETHER = {"BatchWriteItem", "UploadPart"}


def is_write(operation: str) -> bool:
    return not operation.startswith(READS)


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
        """Call the handler, and kill it at its write `number`, counted over all rounds. Its other
        writes have landed, or never will."""
        killed: list[str] = []
        writes = itertools.count(1)

        def action(call: Call) -> Reply:
            if killed:
                raise ConnectionError
            if not is_write(call.operation) or next(writes) < number:
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
        """All that can be seen afterwards, apart from times and from the leases of killed calls."""
        objects = {}
        for one in self.cloud.s3.list_objects_v2(Bucket=self.cloud.work).get("Contents", []):
            body: Any = self.cloud.read(self.cloud.work, one["Key"])
            key = one["Key"]
            if key.startswith("digests/"):
                body = len(body)  # they are made with a random key
            if key.endswith(".html"):
                page = kept_page(self.cloud, self.cloud.work, Path(key).stem)
                body = page and (page.heading, page.equation)
            elif key.startswith("reports/") and key.endswith(".json"):
                body = without_times(json.loads(body))
            objects[key] = body
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
        for number, write in enumerate(filter(is_write, case.calls), 1)
        for landed in ((True, False) if write in SENT_TOGETHER else (True,))
        for is_quick in [landed and name in QUICK]
    ],
)
def test_killed_at_a_write_and_called_again(
    rig: Any, undisturbed: Any, name: Any, number: Any, landed: Any
) -> None:
    answer, left = undisturbed(name)
    due = rig(name)
    due.kill_at(number, landed)
    assert due.finish() == answer
    assert due.left() == left


def test_behind_a_killed_writer_all_others_wait_until_its_lease_has_run_out(rig: Any) -> None:
    """The last batch of the killed writer may be on its way until then."""
    due = rig("a chunk is written in one round")
    own = {name: due.event[name] for name in ("load_id", "file")}
    later = planned(due.cloud, HEADER + row(1), "v2")
    writes = list(filter(is_write, due.case.calls))
    due.kill_at(writes.index("BatchWriteItem") + 1, landed=True)
    due.wire.expect()
    lease = due.seconds + LEASE_MARGIN_SECONDS

    def turn(load: Any, after: float = 0.0) -> Any:
        return due.call("take_turn", load, later=after)["turn"]

    for load in (own, later):  # a replay, and a later version
        turns = [turn(load), turn(load, lease - 60), turn(load, lease + 1)]
        assert turns == ["wait", "wait", "mine"]
