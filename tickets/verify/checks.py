"""The checks of `tickets verify`, in order. Each uploads files, waits, and compares."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingestion.executions.history import ALREADY_LOADED, count
from tickets.runs.replay import IS_LOADED, STARTED
from tickets.verify.comparison import (
    EXECUTION,
    ITEMS,
    LEDGER,
    REFUSED_ROWS,
    REPORT,
    Comparison,
    Difference,
)
from tickets.verify.files import ExpectedRow, TicketFile
from tickets.verify.plan import Plan
from tickets.verify.traffic import NotDone, Traffic, Upload

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

_NEXT = {
    EXECUTION: "`tickets show {execution}`, then docs/operations.md#a-load-has-failed",
    ITEMS: "the log of write_chunk about {execution}; deploy this version again if the code in "
    "Lambda is another one",
    REPORT: "the log of reconcile about {execution}; deploy this version again if the code in "
    "Lambda is another one",
}
_NEXT |= dict.fromkeys((REFUSED_ROWS, LEDGER), _NEXT[REPORT])


@dataclass(frozen=True)
class Check:
    """The result of a check.

    status: PASSED, FAILED or SKIPPED.
    evidence: in a sentence, what was compared, or why the check was skipped.
    problems: what is not as it must be.
    next_step: what to do if it failed.
    """

    name: str
    status: str
    evidence: str
    problems: list[str] = field(default_factory=list)
    next_step: str | None = None
    seconds: float | None = None


class Checks:
    """The checks of one run."""

    def __init__(self, plan: Plan, traffic: Traffic, comparison: Comparison) -> None:
        self._plan = plan
        self._traffic = traffic
        self._comparison = comparison
        self._began = 0.0

    def run(self) -> Iterator[Check]:
        """Yields the result of each check when it is known.

        The first files are uploaded together. A check that needs the result of another one is
        skipped if that one failed.
        """
        plan = self._plan
        self._began = time.monotonic()
        rows = self._traffic.upload(plan.rows)
        chunked = self._traffic.upload(plan.chunked) if plan.chunked else None
        packed = self._traffic.upload(plan.packed)
        first = self._loaded("Good rows and bad rows", rows)
        yield first
        name = "Equal keys in two chunks"
        if chunked:
            yield self._loaded(name, chunked)
        else:
            yield Check(name, SKIPPED, "The stack's MaxSupersededPercent allows no such row.")
        yield self._loaded("A gzip file", packed)
        yield from self._later_versions(first.status == PASSED)
        if plan.refused and plan.stopped:
            yield self._refused(plan.refused)
            yield self._stopped(plan.stopped)

    def _later_versions(self, first_is_loaded: bool) -> Iterator[Check]:
        name, again, replay = (
            "A second version",
            "The same bytes again",
            "A replay of a loaded file",
        )
        if not first_is_loaded:
            for one in (name, again, replay):
                yield Check(one, SKIPPED, "The first version was not loaded as it must be.")
            return
        kept = self._plan.kept()
        self._began = time.monotonic()
        second = self._traffic.upload(self._plan.second)
        check = self._loaded(name, second, f", {len(kept)} of version 1 kept", kept=kept)
        yield check
        if check.status != PASSED:
            for one in (again, replay):
                yield Check(one, SKIPPED, "The second version was not loaded as it must be.")
            return
        yield self._same_bytes(again, second)
        yield self._replay_of_loaded(replay, second)

    def _loaded(
        self,
        name: str,
        upload: Upload,
        note: str = "",
        *,
        kept: Sequence[ExpectedRow] = (),
        arn: str | None = None,
    ) -> Check:
        """Waits for the load of an upload, and compares what it left behind.

        note: more words for the evidence.
        kept: rows of an earlier version, which must still be in the table.
        arn: the execution that must have loaded it; the upload's execution if None.
        """
        file = upload.file
        try:
            execution = self._traffic.ended(arn or upload.execution_arn)
        except NotDone as error:
            return self._failed(name, file, error)
        found = self._comparison.differences(upload, execution, kept)
        if found:
            return self._differs(name, file, execution.name, found)
        counts = [
            f"{file.totals[f'rows_{what}']} {what}"
            for what in ("written", "superseded", "refused")
            if file.totals[f"rows_{what}"]
        ]
        chunks = count(execution.outcome().chunks or 0, "chunk")
        return self._passed(
            name,
            f"{_file_name(file)}: {', '.join(counts)} in {chunks}{note}; items, report, refused "
            "rows and ledger agree",
        )

    def _same_bytes(self, name: str, loaded: Upload) -> Check:
        """Uploads a loaded file again. Nothing must be written."""
        self._began = time.monotonic()
        upload = self._traffic.upload(loaded.file)
        try:
            execution = self._traffic.ended(upload.execution_arn)
        except NotDone as error:
            return self._failed(name, upload.file, error)
        found = []
        if execution.ending != ALREADY_LOADED:
            found.append(Difference(EXECUTION, f"it ended as {execution.ending}"))
        elif execution.load_id != loaded.execution:
            found.append(Difference(EXECUTION, f"it names the load {execution.load_id}"))
        found += self._comparison.missing_or_changed(loaded.file.in_table)
        if found:
            return self._differs(name, upload.file, execution.name, found)
        return self._passed(
            name, f"{_file_name(upload.file)}: Already Loaded, by {loaded.execution}"
        )

    def _replay_of_loaded(self, name: str, loaded: Upload) -> Check:
        self._began = time.monotonic()
        done, _ = self._traffic.replay(loaded.execution, failed=False)
        if done.outcome != IS_LOADED:
            found = [Difference(EXECUTION, f"the replay answered {done.outcome} {done.execution}")]
            return self._differs(name, loaded.file, done.execution, found)
        return self._passed(name, f"{loaded.execution} is loaded; the replay started nothing")

    def _refused(self, file: TicketFile) -> Check:
        """Uploads a file that must be refused, and dismisses its dead letter."""
        name = "A bad file"
        self._began = time.monotonic()
        upload = self._traffic.upload(file)
        try:
            execution = self._traffic.ended(upload.execution_arn)
            letter = (
                self._traffic.dead_letter(execution.arn, dismiss=True)
                if execution.status == "FAILED"
                else None
            )
        except NotDone as error:
            return self._failed(name, file, error)
        reasons = [(one["reason"], one["column"]) for one in execution.reasons]
        found = []
        if letter is None or reasons != [("missing_column", "quantity")]:
            found.append(
                Difference(EXECUTION, f"it is {execution.status} with the reasons {reasons}")
            )
        if execution.load.get("status") != "FAILED":
            found.append(Difference(LEDGER, f"status is {execution.load.get('status')}"))
        if found:
            return self._differs(name, file, execution.name, found)
        assert letter is not None
        return self._passed(
            name, f'{_file_name(file)} is refused ("{letter.reason}"), its dead letter dismissed'
        )

    def _stopped(self, file: TicketFile) -> Check:
        """Stops a load as soon as it runs, and replays it from its dead letter."""
        name = "A stopped load"
        self._began = time.monotonic()
        upload = self._traffic.upload(file)
        try:
            self._traffic.stop(upload)
            execution = self._traffic.ended(upload.execution_arn)
            if execution.status != "ABORTED":
                return Check(
                    name,
                    SKIPPED,
                    f"{execution.name} is {execution.status}: it ended before it could be stopped.",
                )
            self._traffic.dead_letter(execution.arn, dismiss=False)
            done, arn = self._traffic.replay(execution.name, failed=True)
        except NotDone as error:
            return self._failed(name, file, error)
        if done.outcome != STARTED:
            found = [Difference(EXECUTION, f"the replay answered {done.outcome} {done.execution}")]
            return self._differs(name, file, done.execution, found)
        return self._loaded(name, upload, ", replayed from its dead letter", arn=arn)

    def _passed(self, name: str, evidence: str) -> Check:
        return Check(name, PASSED, f"{evidence}.", seconds=time.monotonic() - self._began)

    def _differs(
        self, name: str, file: TicketFile, execution: str, found: Sequence[Difference]
    ) -> Check:
        return Check(
            name,
            FAILED,
            f"{_file_name(file)}, execution {execution}:",
            [f"{one.where}: {one.detail}" for one in found],
            _NEXT[found[0].where].format(execution=execution),
            time.monotonic() - self._began,
        )

    def _failed(self, name: str, file: TicketFile, error: NotDone) -> Check:
        return Check(
            name,
            FAILED,
            f"{_file_name(file)}:",
            [str(error)],
            error.next_step,
            time.monotonic() - self._began,
        )


def _file_name(file: TicketFile) -> str:
    return file.key.rpartition("/")[2]
