"""The task Take Turn: decides whether a load writes now, waits, or is overtaken."""

import random
from dataclasses import replace

from ingestion.contracts import Turn, TurnRequest
from ingestion.executions import IsRunning
from ingestion.ledger.claims import Claim
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import FRONT, TAKEN, Slots, Waiter
from ingestion.ledger.store import seconds, timestamp
from ingestion.ledger.versions import OVERTAKEN, ClaimHeld, Turns

MIN_WAIT_SECONDS, MAX_WAIT_SECONDS = 5, 600
WAIT_SHARE = 0.1
"""The next wait as a share of the time that the execution has waited so far, give or take half of
it. So two weeks of waiting fit in the 25,000 events of an execution, and short waits stay
short. Executions that began to wait together don't look for a slot at the same moment."""

MINE = Turn("mine")
WAIT_FOR_EXECUTION, WAIT_FOR_WRITERS = Turn("wait", "execution"), Turn("wait", "writers")
WAIT_FOR_SLOT, WAIT_IN_LINE = Turn("wait", "slot"), Turn("wait", "line")
LATER_VERSION_CLAIMED = Turn("overtaken")


class TurnTaker:
    """Decides when loads may write. At most `at_a_time` loads write at the same time."""

    def __init__(
        self, turns: Turns, loads: Loads, slots: Slots, at_a_time: int, is_running: IsRunning
    ) -> None:
        self._turns = turns
        self._loads = loads
        self._slots = slots
        self._at_a_time = at_a_time
        self._is_running = is_running
        self._chance = random.Random()

    def take(self, request: TurnRequest) -> Turn:
        """Claims the object for a load, waits for other writers of the object, and takes a slot.

        The slot comes last, because a load must not wait for another one while it holds a slot. The
        object may have been claimed or written since then, so the ledger is read again.
        """
        claim = Claim.of(request.file, request.load_id, request.execution_arn)
        answer = self._look(claim)
        if request.execution_arn:
            waiter = Waiter(request.execution_arn, request.started_at)
            if answer == MINE:
                answer = self._take_slot(waiter, claim)
            if answer == LATER_VERSION_CLAIMED:
                self._slots.leave_line(waiter)
        if answer == LATER_VERSION_CLAIMED:
            execution = request.execution_arn.rpartition(":")[2]
            facts = {"summary": OVERTAKEN}
            self._loads.close_load(request.load_id, "OVERTAKEN", facts, execution)
        elif answer == MINE:
            self._turns.note_alone(claim.object_url, request.load_id)
        else:
            answer = self._with_seconds(answer, request)
        return answer

    def _look(self, claim: Claim) -> Turn:
        """Returns whose turn it is by the object's claim and leases. The execution itself has no
        writers yet."""
        try:
            if not self._turns.claim(claim, self._is_running):
                return LATER_VERSION_CLAIMED
        except ClaimHeld:
            return WAIT_FOR_EXECUTION
        return WAIT_FOR_WRITERS if self._turns.writers(claim.object_url) else MINE

    def _take_slot(self, waiter: Waiter, claim: Claim) -> Turn:
        place = self._slots.take(waiter, self._at_a_time, self._is_running)
        if place != TAKEN:
            return WAIT_FOR_SLOT if place == FRONT else WAIT_IN_LINE
        answer = self._look(claim)
        if answer != MINE:
            self._slots.release(waiter.execution_arn)
        return answer

    def _with_seconds(self, answer: Turn, request: TurnRequest) -> Turn:
        now = self._turns.now()
        since = request.waited_since
        if since is None or answer.waits_for != request.waits_for:
            since = timestamp(now)
        pause = max(WAIT_SHARE * (now - seconds(since)), 2 * MIN_WAIT_SECONDS)
        pause = min(pause * self._chance.uniform(0.5, 1.5), MAX_WAIT_SECONDS)
        return replace(answer, seconds=int(pause), waited_since=since)
