"""Does what an operator does, with the code of `tickets dead-letters` and `tickets replay`."""

from typing import Any

import pytest

from tests.support.running_stack import RunningStack, until
from tickets.runs import dead_letters
from tickets.runs.dead_letters import FailedExecution, held_dead_letters
from tickets.runs.replay import Replay, replay


class Operator:
    def __init__(self, stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        monkeypatch.setattr(dead_letters, "_WAIT_SECONDS", 0)  # the engine has one server only

    def dead_letter(self, arn: str) -> FailedExecution:
        """Waits until the failure of an execution is in the queue; returns it."""

        def look() -> FailedExecution | None:
            with held_dead_letters(self._stack.names) as letters:
                found = [one for one in letters.executions if one.execution_arn == arn]
            assert len(found) < 2
            return found[0] if found else None

        return until(look, f"the dead letter of {arn}")

    def replay(self, arn: str) -> Replay:
        with held_dead_letters(self._stack.names) as letters:
            return replay(self._stack.names, arn, letters)

    def replayed(self, arn: str) -> dict[str, Any]:
        """Replays an execution, which must start another one. Returns its description after it has
        ended."""
        done = self.replay(arn)
        assert done.outcome == "started", done
        return self._stack.ended(f"{arn.rpartition(':')[0]}:{done.execution}")
