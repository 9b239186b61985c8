"""Actions of the model test for the calls that a handler sends: faults, crashes, and steps that
other tasks make during a call."""

from dataclasses import dataclass
from typing import Any

from tests.support import wire
from tests.support.wire import Call, Reply

FAULTS = (
    *("late", "crash after", "crash before"),
    *("request lost", "reply lost", "partly", "throttled", "refused"),
)


@dataclass
class Late:
    """A crashed writer's batch that is still on its way to the table."""

    load_id: str
    land: Any


class Once:
    """Selects one call. `at` is (operation, n): the n-th call of the operation, or of all calls
    if the operation is empty."""

    def __init__(self, at: Any) -> None:
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
    """Makes one call fail. After a crash, all later calls are denied, so that nothing reaches AWS
    any more. The handler runs on and gets errors, but outside of it nothing shows that."""

    def __init__(self, kind: Any, at: Any, loads: Any) -> None:
        super().__init__(at)
        self.kind, self._loads = kind, loads

    def __call__(self, call: Call) -> Reply:
        if self.fired and self.kind in ("crash before", "crash after", "late"):
            return wire.denied(call)
        if not self.is_now(call):
            return call.forward()
        self._loads.stack.seen[f"{self.kind}: {call.operation}"] += 1
        if self.kind == "refused":
            return wire.unavailable(call)
        if self.kind == "throttled":
            return wire.throttled(call)
        if self.kind == "partly":
            return wire.hand_back()(call)
        if self.kind == "late" and call.operation == "BatchWriteItem":
            self._loads.late.append(Late(self._loads.loading, call.forward))
        elif self.kind in ("reply lost", "crash after"):
            call.forward()
        raise ConnectionError


class Within(Once):
    """Does something after a call has been carried out and before it is answered."""

    def __init__(self, at: Any, loads: Any, outer: Any) -> None:
        super().__init__(at)
        self._loads, self._outer = loads, outer
        self.broken: BaseException | None = None

    def __call__(self, call: Call) -> Reply:
        answer = call.forward()
        if self.is_now(call):
            try:
                self._happen()
            except BaseException as error:
                self.broken = error
        return answer

    def _happen(self) -> None:
        raise NotImplementedError


class Twin(Within):
    """Calls Write Chunk for the same chunk during the call, with all the time that it needs."""

    def __init__(self, at: Any, loads: Any, outer: Any) -> None:
        super().__init__(at, loads, outer)
        self._event = outer.event

    def _happen(self) -> None:
        self._loads.stack.seen["twin"] += 1
        self._loads.stack.call("write_chunk", self._event)
        self._loads.chunks_only_get_on_and_count_right()


class Meanwhile(Within):
    """Lets other tasks make steps during the call."""

    def __init__(self, at: Any, other: Any, turns: Any, loads: Any, key: Any, outer: Any) -> None:
        super().__init__(at, loads, outer)
        self._other, self._turns, self._key = other, turns, key

    def _happen(self) -> None:
        for _ in range(self._turns):
            self._make_a_step()

    def _make_a_step(self) -> None:
        """Lets a task for the same object make a step, if there is one, because only such tasks can
        interfere with each other. Otherwise, lets any other task make one."""
        loads = self._loads
        others = [one for one in loads.due() if self._may_overlap(one[1])]
        rivals = [one for one in others if one[0].given["key"] == self._key]
        if others:
            loads.step_within(*loads._pick(rivals or others, self._other))

    def _may_overlap(self, task: Any) -> Any:
        """Whether a task may run during the call. A task with the same event may not, because Step
        Functions does not make the same call twice at once."""
        if task is self._outer:
            return False
        return task.is_waiting or task.event != self._outer.event
