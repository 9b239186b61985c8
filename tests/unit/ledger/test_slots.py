"""A limited number of executions have a slot. The others wait in the order of their starts."""

from typing import Any, cast

import pytest

from ingestion.ledger.slots import BACK, FRONT, TAKEN, Slots, Waiter
from tests.support.interleavings import Actor, World, explore
from tests.support.ledger_in_memory import EntriesInMemory

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Ingest:"


def waiter(number: int) -> Waiter:
    """The execution that started as the `number`th."""
    minute, second = divmod(number, 60)
    return Waiter(f"{EXECUTION}file-{number}", f"2026-01-01T00:{minute:02}:{second:06.3f}Z")


class Line:
    """Executions that ask for slots. All of them are running until they are in `ended`."""

    def __init__(self, slots: Slots, at_a_time: int = 2) -> None:
        self.slots = slots
        self.at_a_time = at_a_time
        self.ended: set[int] = set()
        self.looked_up: list[str] = []

    def ask(self, number: int) -> str:
        return self.slots.take(waiter(number), self.at_a_time, self._is_running)

    def end(self, *numbers: int) -> None:
        self.ended.update(numbers)

    def release(self, number: int) -> None:
        self.slots.release(waiter(number).execution_arn)

    def _is_running(self, execution_arn: str) -> bool:
        self.looked_up.append(execution_arn)
        return execution_arn not in {waiter(number).execution_arn for number in self.ended}


@pytest.fixture
def line(dynamodb: Any) -> Line:
    return Line(Slots(dynamodb, "Ledger"))


def test_as_many_as_allowed_have_a_slot_and_the_next_one_waits(line: Line) -> None:
    assert [line.ask(number) for number in (1, 2, 3)] == [TAKEN, TAKEN, FRONT]


def test_an_execution_that_asks_again_has_one_slot_only(line: Line) -> None:
    assert [line.ask(number) for number in (1, 1, 2, 3)] == [TAKEN, TAKEN, TAKEN, FRONT]


def test_a_slot_that_was_given_back_is_taken_by_another_one(line: Line) -> None:
    assert [line.ask(number) for number in (1, 2, 3)] == [TAKEN, TAKEN, FRONT]
    line.release(2)
    assert [line.ask(number) for number in (3, 4)] == [TAKEN, FRONT]


def test_who_has_no_slot_gives_none_back(line: Line) -> None:
    assert [line.ask(number) for number in (1, 2, 3)] == [TAKEN, TAKEN, FRONT]
    line.release(3)
    assert line.ask(3) == FRONT


def test_the_slot_of_an_execution_that_has_ended_is_free(line: Line) -> None:
    """The slot is free even if the execution failed or was stopped before it gave it back."""
    assert [line.ask(number) for number in (1, 2, 3)] == [TAKEN, TAKEN, FRONT]
    line.end(1)
    assert [line.ask(number) for number in (3, 4)] == [TAKEN, FRONT]
    line.release(1)  # a call of the ended execution that is still running
    assert line.ask(4) == FRONT


def test_at_most_three_slots_are_looked_up_at_a_time(dynamodb: Any) -> None:
    line = Line(Slots(dynamodb, "Ledger"), at_a_time=5)
    for number in range(5):
        assert line.ask(number) == TAKEN
    assert line.ask(5) == FRONT
    assert len(line.looked_up) == 3


def test_if_fewer_loads_are_allowed_than_before_slots_beyond_are_not_taken_again(
    line: Line,
) -> None:
    assert [line.ask(number) for number in (1, 2)] == [TAKEN, TAKEN]
    line.at_a_time = 1
    line.end(2)
    assert line.ask(3) == FRONT
    line.release(1)
    assert [line.ask(number) for number in (3, 4)] == [TAKEN, FRONT]


# ---------------------------------------------------------------- The line


def memory_line() -> Line:
    """One slot, so that the first 10 in line may take it, and the first 40 are its front."""
    return Line(EntriesInMemory().over(Slots), at_a_time=1)


def test_any_of_the_first_ten_in_line_may_take_a_free_slot() -> None:
    line = memory_line()
    assert line.ask(0) == TAKEN
    assert {line.ask(number) for number in range(1, 15)} == {FRONT}
    line.release(0)
    assert [line.ask(number) for number in (14, 11, 10, 1)] == [FRONT, FRONT, TAKEN, FRONT]


def test_the_line_is_in_the_order_of_the_starts_not_of_the_calls() -> None:
    line = memory_line()
    assert line.ask(0) == TAKEN
    for number in range(20, 2, -1):
        assert line.ask(number) == FRONT
    line.release(0)
    assert [line.ask(number) for number in (20, 13, 2)] == [FRONT, FRONT, TAKEN]


def test_who_takes_a_slot_leaves_the_line() -> None:
    line = memory_line()
    assert line.ask(0) == TAKEN
    for number in range(1, 13):
        assert line.ask(number) == FRONT
    for number in (1, 2):
        line.release(number - 1)
        assert line.ask(number) == TAKEN
    line.release(2)
    assert line.ask(12) == TAKEN  # 9 are before it


def test_who_is_far_behind_is_told_so() -> None:
    line = memory_line()
    assert line.ask(0) == TAKEN
    places = [line.ask(number) for number in range(1, 50)]
    assert places == [FRONT] * 40 + [BACK] * 9


def test_executions_that_ended_while_they_waited_do_not_block_the_line() -> None:
    line = memory_line()
    assert line.ask(0) == TAKEN
    for number in range(1, 21):
        assert line.ask(number) == FRONT
    line.end(*range(20))  # all but the last one, also the one with the slot
    assert line.ask(20) == TAKEN


def test_nor_if_they_are_all_far_ahead() -> None:
    """Only some calls look them up then, so several calls may be needed."""
    line = memory_line()
    for number in range(100):
        line.ask(number)
    line.end(*range(99))
    for _ in range(1_000):
        if line.ask(99) == TAKEN:
            return
    raise AssertionError("it never got the slot")


def test_far_back_in_a_long_line_few_calls_look_up_an_execution() -> None:
    """DescribeExecution is throttled, and a thousand loads may wait."""
    line = memory_line()
    for number in range(101):
        line.ask(number)
    line.looked_up.clear()
    for _ in range(1_000):
        assert line.ask(100) == BACK
    assert 10 <= len(line.looked_up) <= 100  # of 50 expected


# ---------------------------------------------------------------- Every order of requests


class Requests:
    """Gives way before each request of an actor."""

    def __init__(self, actor: Actor, shared: EntriesInMemory) -> None:
        self._actor, self._shared = actor, shared

    def __getattr__(self, name: str) -> Any:
        def request(*arguments: Any) -> Any:
            self._actor.give_way()
            answer = getattr(self._shared, name)(*arguments)
            if name == "query":
                answer = list(answer)
            self._actor.seen.append(repr(answer))
            return answer

        return request


class Rush(World):
    """Two slots: one is free, one is held by an execution that has ended. Three ask at once."""

    def __init__(self) -> None:
        self.entries = EntriesInMemory()
        assert self.entries.over(Slots).take(waiter(9), 2, lambda arn: True) == TAKEN
        self.has_slot: set[str] = set()
        self.actors = [Actor(f"{number}", self.ask) for number in (1, 2, 3)]

    def ask(self, actor: Actor) -> None:
        slots = self.entries.over(Slots)
        slots._entries = cast(Any, Requests(actor, self.entries))
        dead = waiter(9).execution_arn
        if slots.take(waiter(int(actor.name)), 2, lambda arn: arn != dead) == TAKEN:
            self.has_slot.add(actor.name)
            actor.check(len(self.has_slot) <= 2, f"{sorted(self.has_slot)} have a slot")

    def state(self) -> Any:
        return repr((dict(self.entries._owned), sorted(self.has_slot)))

    def finish(self) -> None:
        assert len(self.has_slot) == 2


class LateRelease(Rush):
    """A call of the execution that has ended gives its slot back, while others take it."""

    def __init__(self) -> None:
        super().__init__()
        self.actors = [Actor("9", self.release), *self.actors[:2]]

    def release(self, actor: Actor) -> None:
        slots = self.entries.over(Slots)
        slots._entries = cast(Any, Requests(actor, self.entries))
        slots.release(waiter(9).execution_arn)

    def finish(self) -> None:
        super().finish()
        held = {slot["execution_arn"] for slot in self.entries.query("loads-at-a-time", "slot#")}
        assert held == {waiter(number).execution_arn for number in (1, 2)}


def test_a_late_release_does_not_free_the_slot_of_another_one() -> None:
    assert sum(1 for _ in explore(LateRelease, switches=3)) > 10


def test_in_any_order_of_requests_no_more_have_a_slot_than_allowed() -> None:
    assert sum(1 for _ in explore(Rush, switches=3)) > 10
