"""Limits how many loads write at the same time. The others wait in a line.

Step Functions doesn't queue a Lambda call that is throttled, and a table that many loads write at
once throttles all of them. So a load takes one of a few slots before it writes. A slot, and a place
in the line, is a ledger entry that names an execution. It needs no lease: once the execution isn't
RUNNING, any load that looks at the entry may take the slot or delete the place. Reconcile gives the
slot back earlier, when nothing is left to write.

The line has the order in which the executions started. Any of the first PLACES_PER_SLOT executions
for each slot may take a free slot, not only the first one. An execution looks again only after some
time, so a slot that had to wait for one particular execution would stay free for long.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ingestion.executions import IsRunning
from ingestion.ledger.store import Entries

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TAKEN, FRONT, BACK = "taken", "front", "back"
PLACES_PER_SLOT = 10
FRONT_PLACES = 4
"""The front of the line has this many times the places that may take a slot. Executions there look
again at short intervals, so that they don't miss a free slot."""
MAX_LOOKS = 3
"""The most slots whose executions one call looks up. DescribeExecution is throttled at 10 or 15
calls per second, depending on the Region ("Service quotas", Step Functions Developer Guide)."""
LOOK_SHARE = 0.05
"""The share of the calls far back in a long line that look up an execution ahead of them."""

_OWNER = "loads-at-a-time"
_SLOT, _PLACE = "slot#", "place#"


@dataclass(frozen=True)
class Waiter:
    """An execution that needs a slot. `started_at` is in ISO 8601 and UTC."""

    execution_arn: str
    started_at: str

    @property
    def place(self) -> str:
        """The name of the execution's entry in the line, which is sorted by name."""
        return f"{_PLACE}{self.started_at}#{self.execution_arn.rpartition(':')[2]}"


class _Entry(NamedTuple):
    name: str
    execution_arn: str


class Slots:
    """Gives slots to executions. Slots and places are entries of the ledger table `table`."""

    def __init__(
        self, client: "DynamoDBClient", table: str, chance: random.Random | None = None
    ) -> None:
        self._entries = Entries(client, table)
        self._chance = chance or random.Random()

    def take(self, waiter: Waiter, at_a_time: int, is_running: IsRunning) -> str:
        """Takes one of `at_a_time` slots for an execution, unless it has one.

        Returns `TAKEN`, or where in the line the execution has to wait: `FRONT` if it may soon
        take a slot, otherwise `BACK`.
        """
        may_take = PLACES_PER_SLOT * at_a_time
        while True:
            line = self._read(_PLACE, FRONT_PLACES * may_take)
            is_in_line = any(place.name == waiter.place for place in line)
            ahead = [place for place in line if place.name < waiter.place]
            if len(ahead) < may_take and self._take(waiter, at_a_time, is_running):
                if is_in_line:
                    self.leave_line(waiter)
                return TAKEN
            if not is_in_line:
                self._entries.put(_OWNER, waiter.place, {"execution_arn": waiter.execution_arn})
            place = FRONT if len(ahead) < FRONT_PLACES * may_take else BACK
            if place == BACK and self._chance.random() >= LOOK_SHARE:
                return BACK
            # Otherwise executions that ended while they waited could fill the front of the line.
            any_deleted = self._delete_ended(ahead[:may_take], is_running)
            if not any_deleted or len(ahead) < may_take:
                return place

    def release(self, execution_arn: str) -> None:
        """Gives back an execution's slot, if it has one."""
        for slot in self._read(_SLOT):
            if slot.execution_arn == execution_arn:
                self._entries.delete_if(
                    _OWNER, slot.name, "execution_arn = :mine", {":mine": execution_arn}
                )

    def leave_line(self, waiter: Waiter) -> None:
        """Deletes an execution's place in the line."""
        self._entries.delete(_OWNER, waiter.place)

    def _take(self, waiter: Waiter, at_a_time: int, is_running: IsRunning) -> bool:
        held = self._read(_SLOT)
        if any(slot.execution_arn == waiter.execution_arn for slot in held):
            return True
        values = {"execution_arn": waiter.execution_arn}
        names = {slot.name for slot in held}
        for number in range(at_a_time):
            name = f"{_SLOT}{number:04d}"
            if name not in names and self._entries.put_if(_OWNER, name, values, "", {}):
                return True
        usable = [slot for slot in held if slot.name < f"{_SLOT}{at_a_time:04d}"]
        for slot in self._sample(usable, MAX_LOOKS):
            if is_running(slot.execution_arn):
                continue
            ended = {":ended": slot.execution_arn}
            if self._entries.put_if(_OWNER, slot.name, values, "execution_arn = :ended", ended):
                return True
        return False

    def _delete_ended(self, places: Sequence[_Entry], is_running: IsRunning) -> bool:
        """Looks up one execution in the line. If it has ended, deletes its place and looks up the
        next. Returns whether a place was deleted."""
        any_deleted = False
        for place in self._sample(places, len(places)):
            if is_running(place.execution_arn):
                break
            self._entries.delete(_OWNER, place.name)
            any_deleted = True
        return any_deleted

    def _read(self, prefix: str, limit: int | None = None) -> list[_Entry]:
        entries = self._entries.query(_OWNER, prefix, limit)
        return [_Entry(entry["entry"], entry["execution_arn"]) for entry in entries]

    def _sample(self, entries: Sequence[_Entry], most: int) -> list[_Entry]:
        return self._chance.sample(entries, min(most, len(entries)))
