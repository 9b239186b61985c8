"""Uploads the files of a run, and follows the executions that the uploads start."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import botocore.exceptions

from tickets.errors import CommandError
from tickets.runs.dead_letters import DeadLetters, FailedExecution, delete, held_dead_letters
from tickets.runs.executions import Execution, known_execution
from tickets.runs.follow import START_TIMEOUT_SECONDS, follow
from tickets.runs.ingest import LocalFile, Start, start_load
from tickets.runs.replay import Replay, replay
from tickets.runs.stack import Stack
from tickets.runs.waiting import DeadlinePassed, polls
from tickets.verify.files import TicketFile

MAX_LETTER_SECONDS = 60.0
"""How long EventBridge may take to report an ending that the state machine can't report."""

_POLL_SECONDS = 0.2
_LETTER_POLL_SECONDS = 1.0
_NO_LETTERS = DeadLetters([], [], [], 0)


class NotDone(Exception):
    """Something did not happen in time. The text says what, `next_step` what to do."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


@dataclass(frozen=True)
class Upload:
    """An uploaded object version, and the execution that its event starts."""

    file: TicketFile
    version_id: str
    execution_arn: str

    @property
    def execution(self) -> str:
        return self.execution_arn.rpartition(":")[2]


class Traffic:
    """Uploads to one stack, and what came of them.

    folder: for the files that are uploaded; the caller removes it.
    timeout: the seconds that each load may take.
    on_step: called with a few words before each step that may take long.
    """

    def __init__(
        self, stack: Stack, folder: Path, timeout: float, on_step: Callable[[str], None]
    ) -> None:
        self._stack = stack
        self._folder = folder
        self._timeout = timeout
        self._on_step = on_step
        self.executions: list[str] = []
        """The ARNs of all executions that should exist, replays too."""
        self.given_up: set[str] = set()
        """Those that did not start or end in time."""

    def upload(self, file: TicketFile) -> Upload:
        """Uploads a file. Its event is to start the load."""
        self._on_step(f"uploading {file.key}")
        path = self._folder / file.key.rpartition("/")[2]
        file.write(path)
        start: Start = start_load(self._stack, LocalFile(path, file.key))
        self.executions.append(start.execution_arn)
        return Upload(file, start.version_id or "", start.execution_arn)

    def ended(self, arn: str) -> Execution:
        """Waits until an execution has started and ended. Raises NotDone."""
        name = arn.rpartition(":")[2]
        self._on_step(f"waiting for {name}")
        try:
            for _ in follow(self._stack, arn, self._timeout):
                pass
        except CommandError as error:
            self.given_up.add(arn)
            raise _not_started(name) from error
        except DeadlinePassed as error:
            self.given_up.add(arn)
            if known_execution(self._stack, arn) is None:
                raise _not_started(name) from error
            raise NotDone(
                f"Execution {name} has not ended within {self._timeout:.0f} s.",
                f"`tickets show {name}`; if it only needs longer, pass a larger --timeout",
            ) from error
        return Execution(self._stack, arn)

    def stop(self, upload: Upload) -> None:
        """Stops an upload's execution as soon as it runs. Raises NotDone."""
        self._on_step(f"stopping {upload.execution}")
        try:
            for _ in polls(_POLL_SECONDS, min(START_TIMEOUT_SECONDS, self._timeout)):
                if known_execution(self._stack, upload.execution_arn) is not None:
                    stop_if_running(self._stack, upload.execution_arn)
                    return
        except DeadlinePassed as error:
            self.given_up.add(upload.execution_arn)
            raise _not_started(upload.execution) from error

    def dead_letter(self, arn: str, *, dismiss: bool) -> FailedExecution:
        """Waits for the dead letter about an execution. Raises NotDone.

        dismiss: whether to delete it.
        """
        name = arn.rpartition(":")[2]
        self._on_step(f"waiting for the dead letter of {name}")
        try:
            for _ in polls(_LETTER_POLL_SECONDS, MAX_LETTER_SECONDS):
                with held_dead_letters(self._stack) as letters:
                    for letter in letters.executions:
                        if letter.execution_arn == arn:
                            if dismiss:
                                delete(self._stack, letter.messages)
                            return letter
        except DeadlinePassed as error:
            raise NotDone(
                f"No dead letter about {name} came within {MAX_LETTER_SECONDS:.0f} s.",
                "compare the policy of the failed-executions queue and the rule "
                "UncaughtEndingsRule with the template",
            ) from error
        raise AssertionError("unreachable")

    def replay(self, execution: str, *, failed: bool) -> tuple[Replay, str]:
        """Replays an execution as `tickets replay` does. Returns also the ARN of the execution that
        has loaded its object or is loading it.

        failed: whether it has dead letters, which a replay deletes.
        """
        self._on_step(f"replaying {execution}")
        if failed:
            with held_dead_letters(self._stack) as letters:
                done = replay(self._stack, execution, letters)
        else:
            done = replay(self._stack, execution, _NO_LETTERS)
        arn = self._stack.execution_arn(done.execution)
        if arn not in self.executions:
            self.executions.append(arn)
        return done, arn


def stop_if_running(stack: Stack, arn: str) -> None:
    """Stops an execution, unless it has ended."""
    try:
        stack.client("stepfunctions").stop_execution(
            executionArn=arn, error="Stopped", cause="`tickets verify`."
        )
    except botocore.exceptions.ClientError:
        execution = known_execution(stack, arn)
        if execution is not None and execution.status == "RUNNING":
            raise


def _not_started(name: str) -> NotDone:
    return NotDone(
        f"The upload started no execution {name}.",
        "docs/operations.md#an-upload-starts-nothing; look at the log and at the trigger of the "
        "function StartExecution",
    )
