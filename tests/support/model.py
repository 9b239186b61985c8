"""A Hypothesis state machine for the model test: uploads, faults and replays in random order."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from tests.support.happenings import FAULTS, Fault, Late, Meanwhile, Twin
from tests.support.made_files import HEADER, Content
from tests.support.model_checks import (
    Version,
    check_chunk,
    check_ending,
    check_loads,
    check_table,
    too_bad,
)
from tests.support.state_machine import Execution
from tests.support.wire import carry_out

FOR_EVER = 2_000.0  # seconds after which every lease has expired
KEYS = ("a.csv", "b.csv")
INDEX = st.integers(0, 7)
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
"""An operation and the number of its call, from 1. The first PutItem takes the lease, the second
one writes the chunk's entry. The second GetItem reads the claim."""


CALL_OF_A_SETTLER = st.sampled_from(
    [
        *[("PutItem", 1), ("PutItem", 2), ("Query", 1), ("Query", 2), ("GetItem", 1)],
        *[("GetObject", 1), ("GetObject", 4), ("PutObject", 1), ("PutObject", 2)],
        *[("BatchWriteItem", 1), ("DescribeTable", 1), ("DeleteItem", 1)],
    ]
)
"""An operation and the number of its call, from 1. Settle Equal Keys takes its own lease first. It
then reads the chunks, the leases and the digests, and writes its entry last."""


class Loads(RuleBasedStateMachine):
    def __init__(self, stack: Any) -> None:
        super().__init__()
        self.stack = stack
        stack.empty()
        self.versions: list[Version] = []
        self.executions: dict[str, Execution] = {}
        self.replayed: set[str] = set()
        self.late: list[Late] = []
        stack.is_running = self._is_running
        self.loading = ""
        """The id of the load whose task is being called."""
        self.progress: dict[tuple[str, str], tuple[Any, Any]] = {}
        """The position of each chunk, (next_byte, finished), when it was last checked."""

    # --- Uploads

    @rule(
        key=st.sampled_from(KEYS),
        rows=st.sampled_from([80, 40, 41, 65, 100, 26, 25, 3, 0]),  # chunks have 40, batches 25
        seed=st.integers(0, 999),
        bad=st.sampled_from([0.1, 0.0, 0.7]),
        is_delivered=st.booleans(),
    )
    def upload(self, key: Any, rows: Any, seed: Any, bad: Any, is_delivered: Any) -> None:
        self._upload(Content(key, self._next_name(), rows, seed, bad), is_delivered)

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, is_delivered=st.booleans())
    def overwrite(self, which: Any, is_delivered: Any) -> None:
        """Uploads other rows under an existing key. Many have the same tickets as the old rows."""
        old = self._pick(self.versions, which).content
        content = Content(old.key, self._next_name(), max(old.rows, 40), old.seed + 1)
        self._upload(content, is_delivered)

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, what=st.sampled_from(DISTURBANCES))
    def disturb(self, which: Any, what: Any) -> None:
        version = self._pick(self.versions, which)
        place = {"Bucket": version.request["bucket"], "Key": version.key}
        self.stack.seen[what] += 1
        if what == "same bytes":
            self._upload(version.content, True)
        elif what == "bad file":
            header = HEADER.replace(b"quantity", b"amount")
            self._upload(Content(version.key, self._next_name(), 3, 0, header=header), True)
        elif what in ("by hand", "forced"):
            told = {name: version.request[name] for name in ("bucket", "key", "version_id")}
            name = f"by-hand-{len(self.executions)}"
            self._start(name, {**told, "force": what == "forced"})
        elif what == "marker":
            # A delete marker affects no load, because each load reads its version.
            self.stack.cloud.s3.delete_object(**place)
        else:
            version.deleted = True
            self.stack.cloud.s3.delete_object(**place, VersionId=version.id)

    def _next_name(self) -> str:
        return f"s{len(self.versions):03d}"

    def _upload(self, content: Any, is_delivered: Any) -> None:
        request = self.stack.cloud.put(content.body, content.key)
        self.versions.append(Version(content, request))
        if is_delivered:
            self._deliver(self.versions[-1])

    # --- Starts

    @precondition(lambda self: self.versions)
    @rule(which=INDEX, fault=st.sampled_from(["", *FAULTS]))
    def deliver(self, which: Any, fault: Any) -> None:
        """Delivers an event. Events come in any order, and some come more than once."""
        on_the_wire = Fault(fault, ("", 1), self) if fault else carry_out
        self._deliver(self._pick(self.versions, which), on_the_wire)

    def _deliver(self, version: Any, on_the_wire: Any = carry_out) -> None:
        answer = self._call("start_execution", version.event(), on_the_wire)
        if not isinstance(answer, Exception) and not answer["batchItemFailures"]:
            version.delivered = True
        cloud = self.stack.cloud
        for started in cloud.executions():
            if started["name"] not in self.executions:
                self._start(started["name"], started["input"])

    def _start(self, name: Any, given: Any) -> None:
        self.executions[name] = self.stack.cloud.start(given, name)

    # --- Tasks

    def due(self) -> list[Any]:
        """Each (execution, task) that can make a step; a task is an execution or a child of its
        Map."""
        return [
            (execution, task) for execution in self.executions.values() for task in execution.due
        ]

    @precondition(lambda self: self.due())
    @rule(turns=st.lists(INDEX, min_size=1, max_size=5))
    def step(self, turns: Any) -> None:
        for which in turns:
            if self.due():
                self._step(*self._pick(self.due(), which))

    def bring_to_writing(self, which: int) -> tuple[Execution, Execution] | None:
        """Steps an execution until it is about to write chunks. Returns it with one of the chunks,
        or None if it does not get there."""
        execution, _ = self._pick(self.due(), which)
        for _ in range(3):
            if execution.due and not execution.children:
                self._step(execution, execution)
        chunks = [one for one in execution.due if one.state == "Write Chunk"]
        return (execution, chunks[-1]) if chunks else None

    def bring_to_settling(self, which: int) -> Execution | None:
        """Steps an execution until it is about to settle equal keys. Returns it, or None if it does
        not get there."""
        execution, _ = self._pick(self.due(), which)
        for _ in range(12):
            if execution.due and execution.due[0].state != "Settle Equal Keys":
                self._step(execution, execution.due[0])
        return execution if execution.state == "Settle Equal Keys" else None

    @precondition(lambda self: self.due())
    @rule(which=INDEX, fault=FAULT, at=ANY_CALL, gives_up=st.booleans())
    def step_with_a_fault(self, which: Any, fault: Any, at: Any, gives_up: Any) -> None:
        execution, task = self._pick(self.due(), which)
        self._step(execution, task, Fault(fault, at, self), gives_up=gives_up)

    @precondition(lambda self: len(self.due()) > 1)
    @rule(which=INDEX, at=ANY_CALL, other=INDEX, turns=st.integers(1, 3))
    def step_while_others_make_steps(self, which: Any, at: Any, other: Any, turns: Any) -> None:
        """Other tasks make steps after one of a handler's calls is carried out and before the
        handler gets the answer."""
        execution, task = self._pick(self.due(), which)
        key = execution.given["key"]
        self._step(execution, task, Meanwhile(at, other, turns, self, key, task))

    @precondition(lambda self: self.due())
    @rule(
        which=INDEX,
        fault=st.sampled_from(["", *FAULTS]),
        at=CALL_OF_A_WRITER,
        tick=st.sampled_from([0.0, 12.0]),
        gives_up=st.booleans(),
    )
    def write_with_a_fault(self, which: Any, fault: Any, at: Any, tick: Any, gives_up: Any) -> None:
        """Writes a chunk with a fault, with little time left, or with both."""
        if writing := self.bring_to_writing(which):
            on_the_wire = Fault(fault, at, self) if fault else carry_out
            self._step(*writing, on_the_wire, tick=tick, gives_up=gives_up)

    @precondition(lambda self: len(self.due()) > 1)
    @rule(which=INDEX, at=CALL_OF_A_WRITER, other=INDEX, turns=st.integers(1, 6))
    def write_while_others_make_steps(self, which: Any, at: Any, other: Any, turns: Any) -> None:
        if writing := self.bring_to_writing(which):
            execution, task = writing
            key = execution.given["key"]
            self._step(execution, task, Meanwhile(at, other, turns, self, key, task))

    @precondition(lambda self: self.due())
    @rule(which=INDEX, tick=st.sampled_from([12.0, 0.0]))
    def write_a_chunk_twice_at_a_time(self, which: Any, tick: Any) -> None:
        """Writes one chunk twice at once, as when the function of a stopped execution still runs
        while the replay writes the same chunk."""
        if writing := self.bring_to_writing(which):
            execution, task = writing
            self._step(execution, task, Twin(("BatchWriteItem", 1), self, task), tick=tick)

    @precondition(lambda self: self.due())
    @rule(
        which=INDEX,
        fault=st.sampled_from(["", *FAULTS]),
        at=CALL_OF_A_SETTLER,
        tick=st.sampled_from([0.0, 12.0]),
        gives_up=st.booleans(),
    )
    def settle_with_a_fault(
        self, which: Any, fault: Any, at: Any, tick: Any, gives_up: Any
    ) -> None:
        if execution := self.bring_to_settling(which):
            on_the_wire = Fault(fault, at, self) if fault else carry_out
            self._step(execution, execution, on_the_wire, tick=tick, gives_up=gives_up)

    @precondition(lambda self: len(self.due()) > 1)
    @rule(which=INDEX, at=CALL_OF_A_SETTLER, other=INDEX, turns=st.integers(1, 6))
    def settle_while_others_make_steps(self, which: Any, at: Any, other: Any, turns: Any) -> None:
        if execution := self.bring_to_settling(which):
            key = execution.given["key"]
            self._step(execution, execution, Meanwhile(at, other, turns, self, key, execution))

    @precondition(lambda self: self.failed())
    @rule(which=INDEX)
    def replay(self, which: Any) -> None:
        self._replay(self._pick(self.failed(), which))

    @rule(seconds=st.sampled_from([30.0, 500.0, FOR_EVER]))
    def let_time_pass(self, seconds: Any) -> None:
        self._land_late_batches()
        self.stack.now += seconds

    @precondition(lambda self: self.late)
    @rule()
    def a_late_batch_lands(self) -> None:
        self._land_late_batches()

    def failed(self) -> list[Any]:
        return [
            one
            for one in self.executions.values()
            if one.status == "FAILED" and one.name not in self.replayed
        ]

    def _replay(self, execution: Any) -> Any:
        """Starts a new execution with the same input, as `tickets replay` does."""
        self.replayed.add(execution.name)
        original = execution.name.partition("-r")[0]
        number = 1 + sum(one.startswith(f"{original}-r") for one in self.executions)
        self._start(f"{original}-r{number}", execution.given)
        return self.executions[f"{original}-r{number}"]

    def _step(
        self,
        execution: Any,
        task: Any,
        on_the_wire: Any = carry_out,
        tick: float = 0.0,
        gives_up: bool = False,
    ) -> None:
        if task.is_waiting:
            task.succeed()
            return
        event = self._begin(task)
        answer = self._call(task.handler, event, on_the_wire, tick)
        is_disturbed = isinstance(on_the_wire, Fault) and on_the_wire.fired
        may_fail = is_disturbed or tick or self._is_gone(event)
        if isinstance(answer, Exception):
            if not may_fail:
                raise answer
            if not gives_up and not self._is_gone(event):
                return  # Retry
            task.give_up(type(answer).__name__)
        else:
            self._answered(task, answer)

    def _answered(self, task: Any, answer: Any) -> None:
        seen = self.stack.seen
        if task.handler == "take_turn":
            seen[f"take_turn {answer['turn']}"] += 1
        if task.handler == "settle_equal_keys":
            seen[f"settle {answer['state']}"] += 1
            seen["put again"] += bool(answer["rows_put_again"])
        if task.handler == "write_chunk":
            seen["overtaken while writing"] += answer["overtaken"]
            seen["checkpoint"] += not answer["finished"] and not answer["overtaken"]
        task.succeed(answer)

    def step_within(self, execution: Any, task: Any) -> None:
        """Makes a step while another handler's call is under way."""
        if task.is_waiting:
            task.succeed()
            return
        event = self._begin(task)
        try:
            answer = self.stack.call(task.handler, event)
        except Exception as error:
            if not self._is_gone(event):
                raise
            task.give_up(type(error).__name__)
        else:
            self.stack.seen[f"{task.handler} within another call"] += 1
            self._answered(task, answer)

    def _begin(self, task: Any) -> Any:
        event = task.event
        self.loading = event.get("load_id", "")
        if self.loading:
            # A crashed call's last batch lands before the next call for the same load begins,
            # because it was sent before the retry's pause.
            self._land_late_batches(self.loading)
        return event

    def _call(
        self, handler: Any, event: Any, on_the_wire: Any = carry_out, tick: float = 0.0
    ) -> Any:
        """Calls a handler; returns its answer, or the exception that it raised."""
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

    def _is_gone(self, event: Any) -> bool:
        version_id = event.get("file", event).get("version_id")
        return any(one.deleted for one in self.versions if one.id == version_id)

    def _land_late_batches(self, load_id: Any = None) -> None:
        for late in list(self.late):
            if load_id in (None, late.load_id):
                self.late.remove(late)
                self.stack.seen["late batch"] += 1
                late.land()

    def _is_running(self, execution_arn: str) -> bool:
        execution = self.executions.get(execution_arn.rpartition(":")[2])
        return execution is not None and execution.status == "RUNNING"

    @staticmethod
    def _pick(some: Any, which: Any) -> Any:
        return some[-1 - which % len(some)]

    # --- What must hold at any time

    @invariant()
    def chunks_only_get_on_and_count_right(self) -> None:
        """A chunk's entry never moves backwards, and counts exactly the rows before its next
        byte."""
        for load_id, entries in self.stack.ledger().items():
            for name, entry in entries.items():
                if name.startswith("chunk#"):
                    content = self._content_of(entries["load"])
                    check_chunk(content, entry, self.progress.get((load_id, name)))
                    self.progress[load_id, name] = entry["next_byte"], entry["finished"]

    def _content_of(self, load: Any) -> Any:
        [version] = [one for one in self.versions if one.id == load["version_id"]]
        return version.content

    # --- What must hold in the end

    def teardown(self) -> None:
        self.run_to_the_end()
        self.chunks_only_get_on_and_count_right()
        entries = self.stack.ledger()
        for execution in self.executions.values():
            check_ending(self.stack, execution)
        for key in KEYS:
            versions = [one for one in self.versions if one.key == key]
            check_table(self.stack, versions, entries)
            for version in versions:
                check_loads(self.stack, version, versions, entries)

    def run_to_the_end(self) -> None:
        """Runs everything to its end without further faults: delivers all events, runs all
        executions, and replays each failed one once."""
        for version in self.versions:
            if not version.delivered:
                self._deliver(version)
                assert version.delivered
        self._run()
        self._land_late_batches()
        healed = [self._replay(execution) for execution in self.failed()]
        self._run()
        for execution in healed:
            assert execution.status == "SUCCEEDED" or self._may_fail(execution)

    def _run(self) -> None:
        for _ in range(200):
            due = self.due()
            if not due:
                return
            if any(task.is_waiting for _, task in due):
                self._land_late_batches()
                self.stack.now += 200.0
            for execution, task in due:
                if task.status == "RUNNING" and execution.status == "RUNNING":
                    self._step(execution, task)
        raise AssertionError("it does not come to an end")

    def _may_fail(self, execution: Any) -> Any:
        """Whether no replay can load its input: the version is deleted, or the file is refused or
        has too many bad rows."""
        version_id = execution.given["version_id"]
        [version] = [one for one in self.versions if one.id == version_id]
        return version.deleted or version.content.is_refused or too_bad(version.content)
