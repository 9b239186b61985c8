"""Simulates an AWS account that runs many loads at once, on a virtual clock.

The executions are those of the state machine's definition, with its own Retry, Wait, Choice and
Map rules, and Take Turn is the product's own code on a ledger in memory. The other tasks only take
time. What the account allows is as documented:

- Lambda throttles an invocation at once if the function's or the account's concurrency is used up
  ("Understanding Lambda function scaling", Lambda Developer Guide).
- Step Functions doesn't queue such a call. It waits as the Retry says, with full jitter, and gives
  up after MaxAttempts ("Handling errors in Step Functions workflows", Step Functions Developer
  Guide). An execution with more than 25,000 events fails.
- A table accepts a number of writes per second, of which each running Write Chunk gets an equal
  share. A call that isn't finished after 15 minutes, or after `max_seconds`, saves a checkpoint.
- Equal keys are settled if a load has several chunks. No two rows have equal keys, so this takes
  the time of the search: one GET per chunk and slab, and the comparison of the digests. A call
  begins only slabs for which it has time.
"""

import heapq
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from ingestion.contracts import TurnRequest
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.store import timestamp
from ingestion.ledger.versions import Turns
from ingestion.tasks.suspect_search import SLAB_DIGESTS
from ingestion.tasks.take_turn import TurnTaker
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.files import accepted_file
from tests.support.ledger_in_memory import EntriesInMemory
from tests.support.state_machine import EXECUTIONS, Execution
from tests.support.step_functions import ANSWERS

MAX_EVENTS = 25_000
FUNCTION_SECONDS = 900.0
"""Write Chunk's timeout."""
SMALL_ROWS = 10_000
"""The most rows of a file of 1 MiB, about."""
ROWS_PER_SECOND = 8_000
"""The most rows per second that one call of Write Chunk writes."""
GET_SECONDS = 0.004
"""Of Settle Equal Keys, which has 16 GETs under way at a time."""
DIGEST_SECONDS = 0.5e-6
"""The time in which Settle Equal Keys compares one digest. docs/scale.md has both measured."""
TASK_SECONDS = {"validate_file": 0.6, "split_file": 0.6, "take_turn": 0.2, "reconcile": 0.5}
EVENTS = {"Task": 5, "Map": 4, "Wait": 2, "Choice": 2, "Pass": 2, "Succeed": 2, "Fail": 1}
"""History events of a state: entered, exited, and for a task scheduled, started, succeeded."""
EVENTS_OF_A_RETRY = 3
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Counted(Execution):
    """An execution that counts its transitions and events and doesn't keep its history."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.transitions, self.history = 1, 2  # the start; ExecutionStarted and the end's event
        super().__init__(*arguments, **options)

    def _visited(self, output: Any, target: str, error: str) -> None:
        self.transitions += 1
        self.history += EVENTS[self._state["Type"]]

    def fail(self, error: str, cause: str = "") -> bool:
        is_retried = super().fail(error, cause)
        self.history += EVENTS_OF_A_RETRY
        self.transitions += is_retried
        return is_retried


@dataclass
class Load:
    """A load of `chunks` chunks of `rows` rows each, and what became of it."""

    name: str
    chunks: int
    rows: int
    arrives: float = 0.0
    writing_since: float | None = None
    ended: float | None = None
    slabs_searched: int = 0
    execution: Counted = field(init=False)

    @property
    def waited(self) -> float:
        assert self.writing_since is not None
        return self.writing_since - self.arrives

    @property
    def is_small(self) -> bool:
        """Whether Validate File reads the whole file."""
        return self.chunks == 1 and self.rows <= SMALL_ROWS

    @property
    def slabs(self) -> int:
        """The slabs in which Settle Equal Keys searches the digests."""
        return -(-self.chunks * self.rows // SLAB_DIGESTS)

    @property
    def slab_seconds(self) -> float:
        return self.chunks * GET_SECONDS + self.chunks * self.rows / self.slabs * DIGEST_SECONDS

    @property
    def is_settled(self) -> bool:
        return self.chunks == 1 or self.slabs_searched == self.slabs

    @property
    def transitions(self) -> int:
        children = self.execution.all_children
        return self.execution.transitions + sum(cast(Counted, one).transitions for one in children)


class Table:
    """A table whose capacity is shared by the calls that write to it."""

    def __init__(self, account: "Account", writes_per_second: float) -> None:
        self._account, self._capacity = account, writes_per_second
        self._left: dict[int, float] = {}
        self._done: dict[int, Callable[[], None]] = {}
        self._since = 0.0
        self._round = 0

    def write(self, number: int, rows: float, done: Callable[[], None]) -> None:
        self._settle()
        self._left[number], self._done[number] = rows, done
        self._plan()

    def stop(self, number: int) -> float:
        """Ends a call. Returns the rows that it has not written."""
        self._settle()
        left = self._left.pop(number)
        del self._done[number]
        self._plan()
        return left

    @property
    def _rate(self) -> float:
        return min(self._capacity / len(self._left), ROWS_PER_SECOND)

    def _settle(self) -> None:
        now = self._account.now
        if self._left:
            written = (now - self._since) * self._rate
            self._left = {number: left - written for number, left in self._left.items()}
        self._since = now

    def _plan(self) -> None:
        self._round += 1
        if self._left:
            first = min(self._left, key=self._left.__getitem__)
            pause = max(self._left[first], 0.0) / self._rate
            self._account.after(pause, partial(self._finish, first, self._round))

    def _finish(self, number: int, planned: int) -> None:
        if planned == self._round:
            self._done[number]()


class Account:
    """Runs loads. Each execution that fails, also because of too many events, counts as failed."""

    def __init__(
        self,
        machine: dict[str, Any],
        *,
        quota: int,
        writes_per_second: float,
        loads_at_a_time: int,
        write_chunk_concurrency: int = 0,
        busy_seconds: float = 0.0,
        seed: int = 1,
    ) -> None:
        """busy_seconds: how long other functions use up the account's concurrency at first."""
        self.now = 0.0
        self.writing: set[str] = set()
        self.most_writing = 0
        self.longest_idle = 0.0
        """The longest time for which a slot was free while a load waited for one."""
        self.failed_chunks = 0
        self.writing_seconds = 0.0
        """The duration of all calls of Write Chunk."""
        self.settling_seconds = 0.0
        """The duration of all calls of Settle Equal Keys."""
        self._rows_left: dict[tuple[str, int], float] = {}
        """The rows that the last call for a chunk left, by load and index."""
        self.calls: Counter[str] = Counter()
        self._machine = machine
        self._quota, self._reserved = quota, write_chunk_concurrency
        self._busy_seconds = busy_seconds
        self._at_a_time = loads_at_a_time
        self._running: Counter[bool] = Counter()
        """The number of running calls: of Write Chunk (True), and of all others (False)."""
        self._random = random.Random(seed)
        self._table = Table(self, writes_per_second)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._waiting: set[str] = set()
        self._idle_since: float | None = None
        self._loads: dict[str, Load] = {}
        ledger = EntriesInMemory()
        self._slots = ledger.over(Slots)
        self._slots._chance = random.Random(seed)
        turns = Turns(cast(Any, None), ledger.over(Claims), lambda: START + self.now)
        self._turn_taker = TurnTaker(
            turns, ledger.over(Loads), self._slots, loads_at_a_time, self._is_running
        )
        self._turn_taker._chance = random.Random(seed)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), act))

    def run(self, loads: Sequence[Load]) -> None:
        """Runs all loads to their ends."""
        for load in loads:
            self._loads[EXECUTIONS + load.name] = load
            self.after(load.arrives, partial(self._start, load))
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()

    # --- Executions

    def _start(self, load: Load) -> None:
        chunks = [{"index": index, "rows": load.rows} for index in range(load.chunks)]
        plan = json.dumps(chunks).encode()
        load.execution = Counted(
            {"bucket": "uploads", "key": load.name},
            lambda bucket, key: plan,
            machine=self._machine,
            name=load.name,
        )
        self.after(self._machine["TimeoutSeconds"], lambda: self._time_out(load))
        self._go_on(load, load.execution)

    def _time_out(self, load: Load) -> None:
        if load.execution.status == "RUNNING":
            load.execution.status = "TIMED_OUT"
            self._ended(load)

    def _is_running(self, execution_arn: str) -> bool:
        self.calls["DescribeExecution"] += 1
        return self._loads[execution_arn].execution.status == "RUNNING"

    def _go_on(self, load: Load, execution: Counted) -> None:
        """Does what is due after a step of an execution, or of a child."""
        if load.execution.history > MAX_EVENTS:
            load.execution.status = "FAILED"
        if load.execution.status != "RUNNING":
            self._ended(load)
        elif execution.children:
            load.writing_since = load.writing_since or self.now
            self.writing.add(load.name)
            self.most_writing = max(self.most_writing, len(self.writing))
            load_children = iter(list(execution.children))
            limit = self._machine["States"]["Write Chunks"]["MaxConcurrency"]
            for child in itertools.islice(load_children, limit):
                self._run_child(load, cast(Counted, child), load_children)
        elif execution.is_waiting:
            self._pause(execution, execution.succeed, lambda: self._go_on(load, execution))
        else:
            self._call(load, execution, lambda: self._go_on(load, execution))

    def _run_child(self, load: Load, child: Counted, rest: Any) -> None:
        def go_on() -> None:
            if load.execution.status != "RUNNING":
                return
            if child.status == "RUNNING":
                self._call(load, child, go_on)
                return
            self.failed_chunks += child.status == "FAILED"
            following = next(rest, None)
            if following is not None:
                self._run_child(load, following, rest)
            elif not load.execution.children:
                self._go_on(load, load.execution)

        go_on()

    def _pause(self, execution: Counted, step: Callable[[], Any], then: Callable[[], None]) -> None:
        before = execution.paused
        step()
        self.after(execution.paused - before, then)

    # --- Lambda

    def _call(self, load: Load, execution: Counted, then: Callable[[], None]) -> None:
        is_chunk = execution.handler == "write_chunk"
        if not self._has_room(is_chunk):
            self.calls["throttled"] += 1
            before = execution.paused
            is_retried = execution.fail("Lambda.TooManyRequestsException")
            pause = self._random.uniform(0, execution.paused - before) if is_retried else 0.0
            self.after(pause, then)
            return
        self.calls[execution.handler] += 1
        self._running[is_chunk] += 1

        def end(answer: Any) -> None:
            self._running[is_chunk] -= 1
            execution.succeed(answer)
            then()

        if is_chunk:
            self._write_chunk(load, execution, end)
        else:
            seconds = TASK_SECONDS.get(execution.handler, 0.0)
            if execution.handler == "settle_equal_keys":
                seconds = self._search(load)
            answer = self._answer(load, execution)
            self.after(seconds, lambda: end(answer))

    def _search(self, load: Load) -> float:
        """Searches as many slabs as a call of Settle Equal Keys can. Returns its duration."""
        fitting = int((FUNCTION_SECONDS - CHECKPOINT_SECONDS) / load.slab_seconds)
        slabs = min(max(1, fitting), load.slabs - load.slabs_searched)
        load.slabs_searched += slabs
        self.settling_seconds += slabs * load.slab_seconds
        return slabs * load.slab_seconds

    def _has_room(self, is_chunk: bool) -> bool:
        if self.now < self._busy_seconds:
            return False
        if self._reserved:
            limit = self._reserved if is_chunk else self._quota - self._reserved
            return self._running[is_chunk] < limit
        return self._running.total() < self._quota

    def _write_chunk(self, load: Load, execution: Counted, end: Callable[[Any], None]) -> None:
        number, began = next(self._numbers), self.now
        task = execution.event
        chunk, answer = task["chunk"], ANSWERS["write_chunk"]
        rows = self._rows_left.get((load.name, chunk["index"]), chunk["rows"])

        def stop(finished: bool) -> None:
            if number in running:
                running.clear()
                self._rows_left[load.name, chunk["index"]] = self._table.stop(number)
                self.writing_seconds += self.now - began
                end(answer | {"finished": finished})

        running = {number}
        self._table.write(number, rows, lambda: stop(True))
        seconds = task.get("max_seconds", FUNCTION_SECONDS) - CHECKPOINT_SECONDS
        self.after(seconds, lambda: stop(False))

    # --- Tasks

    def _answer(self, load: Load, execution: Counted) -> Any:
        answer = ANSWERS[execution.handler]
        match execution.handler:
            case "validate_file":
                file = accepted_file(key=load.name).to_json()
                plan = None
                if load.is_small:
                    chunk = {"index": 0, "rows": load.rows}
                    plan = ANSWERS["split_file"] | {"chunks": 1, "chunk": chunk}
                return answer | {"load_id": load.name, "file": file, "plan": plan}
            case "split_file":
                return answer | {"chunks": load.chunks}
            case "take_turn":
                return self._take_turn(load, execution)
            case "settle_equal_keys":
                return answer | {"state": "settled" if load.is_settled else "unsettled"}
            case "reconcile":
                complete = all(child.status == "SUCCEEDED" for child in execution.all_children)
                if complete and not load.is_settled:
                    return answer | {"complete": False, "equal_keys": "unsettled"}
                self._slots.release(EXECUTIONS + load.name)
                self._has_written(load)
                return answer | {"complete": complete}

    def _take_turn(self, load: Load, execution: Counted) -> Any:
        started = timestamp(START + load.arrives)
        request = TurnRequest.from_json(execution.event | {"started_at": started})
        turn = self._turn_taker.take(request)
        (self._waiting.add if turn.waits_for in ("slot", "line") else self._waiting.discard)(
            load.name
        )
        if turn.turn == "mine":
            self.writing.add(load.name)
            self.most_writing = max(self.most_writing, len(self.writing))
        self._note_idle()
        return turn.to_json()

    # --- What is measured

    def _has_written(self, load: Load) -> None:
        self.writing.discard(load.name)
        self._note_idle()

    def _ended(self, load: Load) -> None:
        if load.ended is None:
            load.ended = self.now
            self._waiting.discard(load.name)
            self._has_written(load)

    def _note_idle(self) -> None:
        is_idle = len(self.writing) < self._at_a_time and bool(self._waiting)
        if self._idle_since is not None:
            self.longest_idle = max(self.longest_idle, self.now - self._idle_since)
        if not is_idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self.now
