"""Uploads, overwrites, duplicates, failures, crashes and replays in any order, against a model of
what table and ledger must hold in the end.

The handlers are called in process, one task at a time, in the order of the state machine's own
definition. What they ask of AWS goes over a wire on which a call can be refused, cut off, answered
late, or be the last one that a crashed handler makes.
"""

import csv
import importlib
import io
import itertools
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from moto.backends import get_backend

from ingestion.writing import CHECKPOINT_SECONDS
from ops import definition
from tests.handlers import wire as wires
from tests.handlers.conftest import EXECUTIONS, Cloud, forget_clients
from tests.handlers.contents import CHUNK_SIZE, HEADER, ROW_BYTES, Content
from tests.handlers.flow import Flow
from tests.handlers.wire import Call, serve

MOST_REFUSED_PERCENT = 40
FUNCTION_SECONDS = 900.0
FOR_EVER = 2_000.0  # seconds after which every lease has run out
FEW_SECONDS = CHECKPOINT_SECONDS + 35
KEYS = ("a.csv", "b.csv")
STARTED_AT = "2025-11-24T09:00:05.118Z"
INDEX = st.integers(0, 7)
FAULTS = (
    *("late", "crash after", "crash before"),
    *("request lost", "reply lost", "partly", "throttled", "refused"),
)
FAULT = st.sampled_from(FAULTS)
DISTURBANCES = ("same bytes", "bad file", "by hand", "forced", "marker", "deleted")
ANY_CALL = st.tuples(st.just(""), st.integers(1, 8))
CALL_OF_A_WRITER = st.sampled_from(
    [
        *[("BatchWriteItem", 1), ("BatchWriteItem", 2), ("GetObject", 1)],
        *[("PutItem", 1), ("DeleteItem", 1), ("PutObject", 1), ("PutItem", 2)],
        *[("GetItem", 1), ("GetItem", 2), ("DescribeTable", 1)],
    ]
)
"""The operation, and which of its calls. The first PutItem takes the lease, the second is the
chunk's entry; the second GetItem looks at the claim."""

# ---------------------------------------------------------------- The stack


class Stack:
    """The handlers, and a cloud that is emptied for each example."""

    def __init__(self, wire):
        self.wire = wire
        self.now = 0.0
        self.cloud = None
        self.seen: Counter[str] = Counter()
        """What has happened in all examples, so that a test can say that it did."""
        self._under_way = []

    def empty(self):
        self.wire.expect()
        for service in ("s3", "dynamodb", "stepfunctions"):
            get_backend(service).reset()
        self.cloud = Cloud()
        self.now = time.time()
        self._under_way = []

    def call(self, handler, event, tick=0.0):
        """A handler's answer, or its error. ``tick``: seconds that pass with each look at the clock
        of a chunk's round, which has only FEW_SECONDS then."""
        module = importlib.import_module(f"handlers.{handler}")
        if handler in self._under_way:  # another instance of the function, with its own clients
            _forget(module)
        if handler == "take_turn":
            module._turns()._now = lambda: self.now
        if handler == "write_chunk":
            writer = module._chunk_writer()
            writer._turns._now = lambda: self.now
            writer._clock = itertools.count(0, tick).__next__ if tick else time.monotonic
        self._under_way.append(handler)
        try:
            return self.cloud.call(handler, event, FEW_SECONDS if tick else FUNCTION_SECONDS)
        finally:
            self._under_way.remove(handler)

    def ledger(self):
        """All entries, by load and by the entry's name."""
        entries: dict[str, dict[str, Any]] = {}
        for entry in self.cloud.items(self.cloud.ledger_table):
            entries.setdefault(entry["load_id"], {})[entry["entry"]] = entry
        return entries


def _forget(module):
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


# ---------------------------------------------------------------- What a test knows


@dataclass
class Version:
    """One upload."""

    content: Content
    request: dict[str, Any]
    """As the S3 event tells it."""
    delivered: bool = False
    """Whether its event has been taken for good."""
    deleted: bool = False

    @property
    def id(self):
        return self.request["version_id"]

    @property
    def key(self):
        return self.request["key"]

    def event(self):
        told = {
            "versionId": self.id,
            "key": self.key,
            "size": self.request["size"],
            "eTag": self.request["etag"],
            "sequencer": "0",
        }
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.request["bucket"]}, "object": told},
        }
        body = json.dumps({"Records": [record]})
        return {"Records": [{"messageId": self.id, "body": body}]}


@dataclass
class Execution:
    name: str
    input: dict[str, Any]
    flow: Flow
    is_replayed: bool = False


@dataclass
class Late:
    """A crashed writer's batch that is still on its way to the table."""

    load_id: str
    land: Any


# ---------------------------------------------------------------- The machine


class Loads(RuleBasedStateMachine):
    def __init__(self, stack):
        super().__init__()
        self.stack = stack
        stack.empty()
        self.definition = definition.load()
        self.versions: list[Version] = []
        self.executions: dict[str, Execution] = {}
        self.late: list[Late] = []
        self.loading = ""
        """The load whose task is being called."""
        self.progress: dict[tuple[str, str], tuple[Any, Any]] = {}
        """How far each chunk was when it was looked at last."""

    # --- Uploads

    @rule(
        key=st.sampled_from(KEYS),
        rows=st.sampled_from([80, 40, 41, 65, 100, 26, 25, 3, 0]),  # chunks have 40, batches 25
        seed=st.integers(0, 999),
        bad=st.sampled_from([0.1, 0.0, 0.7]),
        is_delivered=st.booleans(),
    )
    def upload(self, key, rows, seed, bad, is_delivered):
        self._upload(Content(key, self._new_name(), rows, seed, bad), is_delivered)

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, is_delivered=st.booleans())
    def overwrite(self, which, is_delivered):
        """With other rows, many of which have the same keys."""
        old = self._pick(self.versions, which).content
        content = Content(old.key, self._new_name(), max(old.rows, 40), old.seed + 1)
        self._upload(content, is_delivered)

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, what=st.sampled_from(DISTURBANCES))
    def disturb(self, which, what):
        version = self._pick(self.versions, which)
        place = {"Bucket": version.request["bucket"], "Key": version.key}
        self.stack.seen[what] += 1
        if what == "same bytes":
            self._upload(version.content, True)
        elif what == "bad file":
            header = HEADER.replace(b"quantity", b"amount")
            self._upload(Content(version.key, self._new_name(), 3, 0, header=header), True)
        elif what in ("by hand", "forced"):
            told = {name: version.request[name] for name in ("bucket", "key", "version_id")}
            name = f"by-hand-{len(self.executions)}"
            self._start(name, {**told, "force": what == "forced"})
        elif what == "marker":
            # It disturbs no load, for each reads its version.
            self.stack.cloud.s3.delete_object(**place)
        else:
            version.deleted = True
            self.stack.cloud.s3.delete_object(**place, VersionId=version.id)

    def _new_name(self):
        return f"s{len(self.versions):03d}"

    def _upload(self, content, is_delivered):
        request = self.stack.cloud.put(content.body, content.key)
        self.versions.append(Version(content, request))
        if is_delivered:
            self._deliver(self.versions[-1])

    # --- Starts

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, fault=st.sampled_from(["", *FAULTS]))
    def deliver(self, which, fault):
        """Events come in any order, and some of them again."""
        on_the_wire = Fault(fault, ("", 1), self) if fault else wires.carry_out
        self._deliver(self._pick(self.versions, which), on_the_wire)

    def _deliver(self, version, on_the_wire=wires.carry_out):
        answer = self._call("start_execution", version.event(), on_the_wire)
        if not isinstance(answer, Exception) and not answer["batchItemFailures"]:
            version.delivered = True
        cloud = self.stack.cloud
        for started in cloud.executions():
            if started["name"] not in self.executions:
                self._start(started["name"], started["input"])

    def _start(self, name, given):
        arn = EXECUTIONS + name
        context = {
            "Execution": {"Id": arn, "Name": name, "Input": given, "StartTime": STARTED_AT},
            "State": {"EnteredTime": ""},
        }
        given = json.loads(json.dumps(given))
        flow = Flow(self.definition, given, context, self.stack.cloud.read)
        self.executions[name] = Execution(name, given, flow)

    # --- Tasks

    def due(self):
        """Every execution, or child of its Map, that can make a step."""
        return [
            (execution, flow)
            for execution in self.executions.values()
            for flow in execution.flow.due
        ]

    @precondition(lambda self: self.due())
    @rule(turns=st.lists(INDEX, min_size=1, max_size=5))
    def step(self, turns):
        for which in turns:
            if self.due():
                self._step(*self._pick(self.due(), which))

    def _bring_to_writing(self, which):
        """An execution and a chunk that it is about to write, or None if it does not come to it."""
        execution, _ = self._pick(self.due(), which)
        for _ in range(3):
            if execution.flow.due and not execution.flow.children:
                self._step(execution, execution.flow)
        chunks = [one for one in execution.flow.due if one.state == "Write Chunk"]
        return (execution, chunks[-1]) if chunks else None

    @precondition(lambda self: self.due())
    @rule(which=INDEX, fault=FAULT, at=ANY_CALL, gives_up=st.booleans())
    def step_with_a_fault(self, which, fault, at, gives_up):
        execution, flow = self._pick(self.due(), which)
        self._step(execution, flow, Fault(fault, at, self), gives_up=gives_up)

    @precondition(lambda self: len(self.due()) > 1)
    @rule(which=INDEX, at=ANY_CALL, other=INDEX, turns=st.integers(1, 3))
    def step_while_others_make_steps(self, which, at, other, turns):
        """Between a call and its answer."""
        execution, flow = self._pick(self.due(), which)
        key = execution.input["key"]
        self._step(execution, flow, Meanwhile(at, other, turns, self, key, flow))

    @precondition(lambda self: self.due())
    @rule(
        which=INDEX,
        fault=st.sampled_from(["", *FAULTS]),
        at=CALL_OF_A_WRITER,
        tick=st.sampled_from([0.0, 12.0]),
        gives_up=st.booleans(),
    )
    def write_with_a_fault(self, which, fault, at, tick, gives_up):
        """Or with little time, or both."""
        if writing := self._bring_to_writing(which):
            on_the_wire = Fault(fault, at, self) if fault else wires.carry_out
            self._step(*writing, on_the_wire, tick, gives_up)

    @precondition(lambda self: len(self.due()) > 1)
    @rule(which=INDEX, at=CALL_OF_A_WRITER, other=INDEX, turns=st.integers(1, 6))
    def write_while_others_make_steps(self, which, at, other, turns):
        if writing := self._bring_to_writing(which):
            execution, flow = writing
            key = execution.input["key"]
            self._step(execution, flow, Meanwhile(at, other, turns, self, key, flow))

    @precondition(lambda self: self.due())
    @rule(which=INDEX, tick=st.sampled_from([12.0, 0.0]))
    def write_a_chunk_twice_at_a_time(self, which, tick):
        """The function of a stopped execution goes on beside its replay's. (With equal keys in the
        chunk the earlier row may stay then.)"""
        if writing := self._bring_to_writing(which):
            execution, flow = writing
            load = self.stack.ledger()[flow.event["load_id"]]["load"]
            if self._content_of(load).is_distinct:
                twin = Twin(("BatchWriteItem", 1), self, flow)
                self._step(execution, flow, twin, tick=tick)

    @precondition(lambda self: self.failed())
    @rule(which=INDEX)
    def replay(self, which):
        self._replay(self._pick(self.failed(), which))

    @rule(seconds=st.sampled_from([30.0, 500.0, FOR_EVER]))
    def let_time_pass(self, seconds):
        self._land_late_batches()
        self.stack.now += seconds

    @precondition(lambda self: self.late)
    @rule()
    def a_late_batch_lands(self):
        self._land_late_batches()

    def failed(self):
        return [
            one
            for one in self.executions.values()
            if one.flow.status == "FAILED" and not one.is_replayed
        ]

    def _replay(self, execution):
        """As `tickets replay` does: a new execution with the same input."""
        execution.is_replayed = True
        original = execution.name.partition("-r")[0]
        number = 1 + sum(one.startswith(f"{original}-r") for one in self.executions)
        self._start(f"{original}-r{number}", execution.input)
        return self.executions[f"{original}-r{number}"]

    def _step(self, execution, flow, on_the_wire=wires.carry_out, tick=0.0, gives_up=False):
        if flow.is_waiting:
            flow.succeed()
            return
        event = self._begin(flow)
        answer = self._call(flow.handler, event, on_the_wire, tick)
        is_disturbed = isinstance(on_the_wire, Fault) and on_the_wire.fired
        may_fail = is_disturbed or tick or self._is_gone(event)
        if isinstance(answer, Exception):
            if not may_fail:
                raise answer
            if not gives_up and not self._is_gone(event):
                return  # Retry
            flow.give_up(type(answer).__name__)
        else:
            self._answered(flow, answer)
        execution.flow.resume()

    def _answered(self, flow, answer):
        seen = self.stack.seen
        if flow.handler == "take_turn":
            seen[f"take_turn {answer['turn']}"] += 1
        if flow.handler == "write_chunk":
            seen["overtaken while writing"] += answer["overtaken"]
            seen["checkpoint"] += not answer["finished"] and not answer["overtaken"]
        flow.succeed(answer)

    def step_within(self, execution, flow):
        """A step while another call is under way."""
        if flow.is_waiting:
            flow.succeed()
            return
        event = self._begin(flow)
        try:
            answer = self.stack.call(flow.handler, event)
        except Exception as error:
            if not self._is_gone(event):
                raise
            flow.give_up(type(error).__name__)
        else:
            self.stack.seen[f"{flow.handler} within another call"] += 1
            self._answered(flow, answer)
        execution.flow.resume()

    def _begin(self, flow):
        event = flow.event
        self.loading = event.get("load_id", "")
        if self.loading:
            # A crashed call's last batch lands before the next call for the same load begins, at
            # the latest: it has been on its way since before the retry's pause.
            self._land_late_batches(self.loading)
        return event

    def _call(self, handler, event, on_the_wire=wires.carry_out, tick=0.0):
        """The handler's answer, or its exception."""
        self.stack.wire.expect(on_the_wire)
        try:
            answer = self.stack.call(handler, event, tick)
        except Exception as error:
            answer = error
            self.stack.seen[f"{handler} failed"] += 1
        self.stack.wire.expect()
        if broken := getattr(on_the_wire, "broken", None):
            raise broken
        return answer

    def _is_gone(self, event):
        version_id = event.get("file", event).get("version_id")
        return any(one.deleted for one in self.versions if one.id == version_id)

    def _land_late_batches(self, load_id=None):
        for late in list(self.late):
            if load_id in (None, late.load_id):
                self.late.remove(late)
                self.stack.seen["late batch"] += 1
                late.land()

    @staticmethod
    def _pick(some, which):
        return some[-1 - which % len(some)]

    # --- What holds at any time

    @invariant()
    def chunks_only_get_on_and_count_right(self):
        """A chunk's entry never goes back, and counts exactly the rows that it says are done."""
        for load_id, entries in self.stack.ledger().items():
            for name, entry in entries.items():
                if name.startswith("chunk#"):
                    content = self._content_of(entries["load"])
                    self._check_chunk(content, entry, self.progress.get((load_id, name)))
                    self.progress[load_id, name] = entry["next_byte"], entry["finished"]

    def _content_of(self, load):
        [version] = [one for one in self.versions if one.id == load["version_id"]]
        return version.content

    def _check_chunk(self, content, entry, before):
        index, rows = int(entry["index"]), int(entry["rows_read"])
        size = len(content.chunks[index])
        start = len(HEADER) + index * CHUNK_SIZE
        assert (entry["start"], entry["end"]) == (start, start + size * ROW_BYTES)
        assert entry["next_byte"] == start + rows * ROW_BYTES
        assert {name: entry[name] for name in asdict(content.counts(index, rows))} == asdict(
            content.counts(index, rows)
        )
        assert rows == size or not entry["finished"]
        if before:
            assert before <= (entry["next_byte"], entry["finished"]), "a chunk went back"

    # --- What holds in the end

    def teardown(self):
        self.run_to_the_end()
        self.chunks_only_get_on_and_count_right()
        entries = self.stack.ledger()
        for execution in self.executions.values():
            self._check_ending(execution)
        for key in KEYS:
            versions = [one for one in self.versions if one.key == key]
            self._check_table(versions, entries)
            for version in versions:
                self._check_loads(version, versions, entries)

    def run_to_the_end(self):
        """Nothing goes wrong any more: all events are delivered, everything runs to its end, and
        what has failed is replayed, once."""
        for version in self.versions:
            if not version.delivered:
                self._deliver(version)
                assert version.delivered
        self._run()
        self._land_late_batches()
        healed = [self._replay(execution) for execution in self.failed()]
        self._run()
        for execution in healed:
            assert execution.flow.status == "SUCCEEDED" or self._may_fail(execution)

    def _run(self):
        for _ in range(200):
            due = self.due()
            if not due:
                return
            if any(flow.is_waiting for _, flow in due):
                self._land_late_batches()
                self.stack.now += 200.0
            for execution, flow in due:
                if flow.status == "RUNNING" and execution.flow.status == "RUNNING":
                    self._step(execution, flow)
        raise AssertionError("it does not come to an end")

    def _may_fail(self, execution):
        """Whether its input can't be loaded, whatever is done."""
        version_id = execution.input["version_id"]
        [version] = [one for one in self.versions if one.id == version_id]
        return version.deleted or version.content.is_refused or too_bad(version.content)

    def _check_ending(self, execution):
        """Each failure has been reported once, and nothing else has; without values of rows."""
        self.stack.seen[execution.flow.ended_in] += 1
        flow = execution.flow
        told = [letter["execution_arn"] for letter in flow.dead_letters]
        assert told == ([EXECUTIONS + execution.name] if flow.status == "FAILED" else [])
        assert flow.status in ("SUCCEEDED", "FAILED")
        assert flow.error in ("", "LoadFailed")
        announced = {"Loaded": ["Load Succeeded"], "Load Failed": ["Load Failed"]}
        assert flow.announced == announced.get(flow.ended_in, [])
        assert "2025-11-23" not in json.dumps(flow.dead_letters)

    def _check_table(self, versions, entries):
        key = versions[0].key if versions else ""
        table = {
            item["ticket_id"]: item
            for item in self.stack.cloud.items()
            if item["ticket_id"][0] == key[:1]
        }
        writing = [one for one in versions if one.content.writes]
        if not writing:
            assert not table
            return
        if any(one.deleted for one in versions):
            # A version that was deleted for good counts as the oldest from then on, so whose row
            # stays depends on when it was. It is one of their rows at any rate.
            for ticket, item in table.items():
                assert any(item in one.content.may_be(ticket, set()) for one in writing)
            return
        *earlier, newest = writing
        for ticket in table.keys() | {ticket for one in writing for ticket in one.content.items}:
            if ticket in newest.content.items:
                assert table.get(ticket) == newest.content.items[ticket]
            else:
                self._check_older_row(ticket, table.get(ticket), earlier, entries)

    def _check_older_row(self, ticket, item, earlier, entries):
        """A ticket that the newest version has not: the row is that of the last version which is
        known to have written it, or of one after that, if it was overtaken while it wrote."""
        allowed = []
        for version in reversed(earlier):
            finished = finished_chunks(version, entries)
            allowed += version.content.may_be(ticket, finished)
            if any(
                row.ticket == ticket and row.item
                for index in finished
                for row in version.content.chunks[index]
            ):
                break
        else:
            allowed.append(None)
        assert item in allowed

    def _check_loads(self, version, versions, entries):
        """What the ledger, the report and the list of refused rows say of a version's loads."""
        content = version.content
        loads = {name: one for name, one in entries.items() if is_load_of(version, one)}
        statuses = [one["load"]["status"] for one in loads.values()]
        for load_id, one in loads.items():
            status = one["load"]["status"]
            if status in ("SUCCEEDED", "FAILED") and content.writes and not version.deleted:
                assert (status == "FAILED") == too_bad(content)
                self._check_totals(load_id, one["load"], content)
        if any(one.deleted for one in versions):
            return
        if content.is_refused:
            assert set(statuses) == {"FAILED"}
            return
        final = "FAILED" if too_bad(content) else "SUCCEEDED"
        assert set(statuses) <= {final, "OVERTAKEN"}
        index = versions.index(version)
        same_bytes = any(one.content is content for one in versions[:index])
        if not any(one.content.writes for one in versions[index + 1 :]):
            assert final in statuses or same_bytes

    def _check_totals(self, load_id, load, content):
        totals = asdict(content.totals)
        assert {name: load[name] for name in totals} == totals
        listed = []
        if load["refused_rows"]:
            text = self.stack.cloud.read_url(load["refused_rows"]).decode()
            listed = [
                (int(row["line"]), row["reason"])
                for row in csv.DictReader(io.StringIO(text, newline=""))
            ]
        assert listed == content.listed
        report = json.loads(self.stack.cloud.read_url(load["report"]))
        assert {name: report[name] for name in totals} == totals
        assert report["load_id"] == load_id


def too_bad(content):
    return content.totals.rows_refused * 100 > content.rows * MOST_REFUSED_PERCENT


def is_load_of(version, entries):
    return "load" in entries and entries["load"].get("version_id") == version.id


def finished_chunks(version, entries):
    """The chunks that a load of the version has finished."""
    return {
        int(entry["index"])
        for one in entries.values()
        if is_load_of(version, one)
        for name, entry in one.items()
        if name.startswith("chunk#") and entry["finished"]
    }


# ---------------------------------------------------------------- What happens on the wire


class Once:
    """Tells the one call that something is to happen to: the ``number``-th of its operation, or of
    all if no operation is named."""

    def __init__(self, at):
        self._operation, self._number = at
        self._calls = 0
        self.fired = False

    def is_now(self, call: Call) -> bool:
        if self.fired or self._operation not in ("", call.operation):
            return False
        self._calls += 1
        self.fired = self._calls == self._number
        return self.fired


class Fault(Once):
    """Something goes wrong with a call. After a crash nothing lands any more: from outside it makes
    no difference that the handler lives on to be told so."""

    def __init__(self, kind, at, loads):
        super().__init__(at)
        self.kind, self._loads = kind, loads

    def __call__(self, call: Call) -> wires.Answer:
        if self.fired and self.kind in ("crash before", "crash after", "late"):
            return wires.denied(call)
        if not self.is_now(call):
            return call.forward()
        self._loads.stack.seen[f"{self.kind}: {call.operation}"] += 1
        if self.kind == "refused":
            return wires.unavailable(call)
        if self.kind == "throttled":
            return wires.throttled(call)
        if self.kind == "partly":
            return wires.partly_unprocessed(call)
        if self.kind == "late" and call.operation == "BatchWriteItem":
            self._loads.late.append(Late(self._loads.loading, call.forward))
        elif self.kind in ("reply lost", "crash after"):
            call.forward()
        raise ConnectionError


class Within(Once):
    """Something happens after a call has been carried out and before it is answered."""

    def __init__(self, at, loads, outer):
        super().__init__(at)
        self._loads, self._outer = loads, outer
        self.broken = None

    def __call__(self, call: Call) -> wires.Answer:
        answer = call.forward()
        if self.is_now(call):
            try:
                self._happen()
            except BaseException as error:
                self.broken = error
        return answer

    def _happen(self):
        raise NotImplementedError


class Twin(Within):
    """Another call for the same chunk, with all the time it needs."""

    def __init__(self, at, loads, outer):
        super().__init__(at, loads, outer)
        self._event = outer.event

    def _happen(self):
        self._loads.stack.seen["twin"] += 1
        self._loads.stack.call("write_chunk", self._event)
        self._loads.chunks_only_get_on_and_count_right()


class Meanwhile(Within):
    """Others make steps."""

    def __init__(self, at, other, turns, loads, key, outer):
        super().__init__(at, loads, outer)
        self._other, self._turns, self._key = other, turns, key

    def _happen(self):
        for _ in range(self._turns):
            self._make_a_step()

    def _make_a_step(self):
        """One of the same object's, if there are any: those can get into each other's way."""
        loads = self._loads
        others = [one for one in loads.due() if self._may_overlap(one[1])]
        rivals = [one for one in others if one[0].input["key"] == self._key]
        if others:
            loads.step_within(*loads._pick(rivals or others, self._other))

    def _may_overlap(self, flow):
        """A task is not called twice at a time: Step Functions makes one call."""
        if flow is self._outer:
            return False
        return flow.is_waiting or flow.event != self._outer.event


# ---------------------------------------------------------------- Running it


@pytest.fixture
def stack(cloud, monkeypatch):
    with serve() as wire:
        for name, value in {
            "AWS_ENDPOINT_URL": wire.url,
            "AWS_ENDPOINT_URL_DYNAMODB": wire.url,
            "AWS_MAX_ATTEMPTS": "1",
            "BATCHES_IN_FLIGHT": "1",  # so that a call's number always means the same call
            "CHUNK_SIZE_BYTES": str(CHUNK_SIZE),
            "MOST_REFUSED_PERCENT": str(MOST_REFUSED_PERCENT),
        }.items():
            monkeypatch.setenv(name, value)
        forget_clients()
        yield Stack(wire)


def explore(stack, examples, steps):
    run_state_machine_as_test(
        lambda: Loads(stack),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            database=None,
            # To explain a failure takes minutes, to make it small takes enough of them.
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_batch_that_lands_after_its_writers_crash(stack):
    """One way by hand, since it is rarely come across: a later version must have waited for it."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 40, seed=0), is_delivered=True)
    late = Fault("late", ("BatchWriteItem", 1), loads)
    loads._step(*loads._bring_to_writing(0), late, gives_up=True)
    assert loads.late
    loads._upload(Content("a.csv", "s001", 40, seed=3), is_delivered=True)
    if writing := loads._bring_to_writing(0):
        loads._step(*writing)
    loads.teardown()
    assert stack.seen["take_turn wait"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_batch_meets_each_fault(stack, kind):
    """By hand as well: of all calls that a fault may meet, few are a batch."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 40, seed=0), is_delivered=True)
    loads._step(*loads._bring_to_writing(0), Fault(kind, ("BatchWriteItem", 1), loads))
    assert stack.seen[f"{kind}: BatchWriteItem"] == 1
    loads.teardown()


def test_a_chunk_in_rounds_of_little_time(stack):
    """Another by hand, for the same reason."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 80, seed=1), is_delivered=True)
    loads._step(*loads._bring_to_writing(0), tick=12.0)
    loads.chunks_only_get_on_and_count_right()
    assert stack.seen["checkpoint"] == 1
    loads.teardown()


@pytest.mark.timeout(600)  # to make a failure small takes longer than to find it
def test_whatever_happens_table_and_ledger_are_right_in_the_end(stack):
    explore(stack, 15, 20)
    assert stack.seen.keys() >= {"Loaded", "Load Failed", "Overtaken"}


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_whatever_happens_in_many_more_ways(stack):
    explore(stack, 100, 40)
    happened = {name for name, times in stack.seen.items() if times}
    assert happened >= {
        *("Loaded", "Load Failed", "Overtaken"),
        *("take_turn wait", "overtaken while writing", "twin"),
        *("write_chunk within another call", "take_turn within another call"),
    }
